"""Refusal pairs built natively in each language from slots of (category, style), after RefusEU (arXiv 2606.07535)."""
