"""Files of any kind and Hub datasets as raw rows; every line is accounted for."""
