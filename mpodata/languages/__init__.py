"""Languages: one table of codes and names, labels, identification, and text of any script."""

from mpodata.languages.table import Language, language, languages

__all__ = ["Language", "language", "languages"]
