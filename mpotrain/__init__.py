"""mpotrain: MPO (Multilingual reward gaP Optimization, not TRL's Mixed Preference Optimization) and its baselines."""
