"""Text of strangers where people read it: on a terminal and in a notebook, shown and never obeyed."""
