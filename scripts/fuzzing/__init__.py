"""What fuzz.py damages, and how."""
