"""What `scripts/calibrate_quality.py` is made of: real parallel text, injected faults, fitted thresholds."""
