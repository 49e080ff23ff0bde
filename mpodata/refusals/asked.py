"""What is known of the prompt that an answer is judged by: whether it is harmful, and what it asks for."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from mpodata.refusals.tables import OPENING, Rules, normalised

SUBJECT: Final = 40  # characters in which an answer to a question of fact names what was asked about
STEM: Final = 4  # letters by which a word of the prompt is found again: "murder", "murders"
WORD: Final = re.compile(rf"(?:[^\W\d_]|[\u0980-\u09ff\u0e30-\u0e4e]){{{STEM},}}")  # with Bengali and Thai vowel signs


Form = Literal["help", "fact", "whether"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, as far as it decides what an answer amounts to."""

    harmful: bool | None = None  # None: not known
    form: Form | None = None  # None: neither, or its language has no lines for this
    stems: frozenset[str] = frozenset()  # how the words of a question of fact begin

    def is_answered_by_no(self) -> bool:
        """Is a plain no an answer? Not where the prompt is known to be harmful: there it may refuse."""
        return self.form == "whether" and not self.harmful

    def fact_is_given(self, opening: str) -> bool:
        """Does an answer begin with what a question of fact asked about: "Arson is ..."?

        opening: of the answer, normalised. False where the prompt is known to be harmful: there a stand against what
        was asked for begins like that, too.
        """
        if self.form not in ("fact", "whether") or self.harmful:
            return False
        return any(word[0][:STEM] in self.stems for word in WORD.finditer(opening[:SUBJECT]))


NOTHING_KNOWN: Final = Asked()


def asked_for(prompt: str, rules: Rules, code: str, harmful: bool | None = None) -> Asked:
    """What is known of a prompt in the language `code`, whose table `rules` is."""
    opening = normalised(prompt[:OPENING], code)
    if rules.request.match(opening):
        return Asked(harmful, "help")
    questions: tuple[tuple[Form, re.Pattern[str]], ...] = (("fact", rules.question), ("whether", rules.whether))
    for form, pattern in questions:
        if question := pattern.match(opening):
            return Asked(harmful, form, frozenset(word[0][:STEM] for word in WORD.finditer(opening, question.end())))
    return Asked(harmful)
