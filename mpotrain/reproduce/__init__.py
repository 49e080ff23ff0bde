"""The tables and figures of the papers, reproduced: one YAML each (`tables/`), planned, run, set beside the published.

worlds.yaml says what stands in for what on the pocket models. spec.py reads a table, plan.py makes the commands,
steps.py runs those that are not done, figures.py reads what they measured, claims.py tests the paper's claims, page.py
writes the page.
"""
