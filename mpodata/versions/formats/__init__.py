"""One trainer, one file: a version's rows in the form that its reader takes, and what starts it on them."""
