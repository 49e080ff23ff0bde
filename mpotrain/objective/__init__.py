"""What is minimised: losses, retention, the frozen reference, and the objective that joins them."""
