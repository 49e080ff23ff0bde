"""One training run: trainer, order of rows, memory, sweep, card."""
