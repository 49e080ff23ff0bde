"""Hashes of the rules that decide rows."""

from mpodata.languages.text import normalised
from mpodata.quality.cues import consonants
from mpodata.runtime.fingerprint import constants_hash

REMEMBERING = ("mpodata.languages.text", "mpodata.languages.identification", "mpodata.quality.cues")


def test_the_hash_of_the_rules_is_that_of_no_text_they_have_met() -> None:
    constants_hash.cache_clear()
    before = constants_hash(*REMEMBERING)
    assert normalised("\u0d9a\u0d9b \u2460") == "\u0d9a\u0d9b 1"
    assert consonants("\u0d9a\u0da7\u0db8")
    constants_hash.cache_clear()
    assert constants_hash(*REMEMBERING) == before
