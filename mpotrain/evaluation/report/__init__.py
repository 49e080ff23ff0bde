"""One page from several evaluations: words, tables, plots."""
