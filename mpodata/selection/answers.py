"""Pairs that prefer nothing: both answers say the same."""

from mpodata.languages.text import normalised


def same_answers(chosen: str, rejected: str) -> bool:
    """Are two answers the same text, up to case, punctuation and spacing?"""
    if chosen.strip() == rejected.strip():
        return True
    text = normalised(chosen)
    return bool(text) and text == normalised(rejected)
