"""How the pocket world is made: word tables, their expansion into text, and the two trainings."""
