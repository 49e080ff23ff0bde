"""Native readers judge the rows of a version: a local page, one file of decisions per reader, and the next version."""
