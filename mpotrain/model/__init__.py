"""The model to align: loading, batches, attention, head, log-probabilities and states."""
