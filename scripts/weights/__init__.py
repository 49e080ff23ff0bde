"""Real models that the package index carries, for scripts and tests; the project ships none of them."""
