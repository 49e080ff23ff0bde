"""A build from top to bottom: select, answer, translate, check, write."""
