"""Languages: one table of codes and names, labels, identification, and text of any script."""

from mpodata.languages.table import Language, code_of, language, languages

__all__ = ["Language", "code_of", "language", "languages"]
