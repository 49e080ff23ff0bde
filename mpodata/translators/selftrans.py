"""The policy translates the triplet itself: how MPO (arXiv 2505.16869, appendix H.4) describes LIDR.

The form is the one of LIDR's code (arXiv 2410.08964): the text in `<sentence>` tags, the answer in `<translated>` tags
with the assistant's turn opened by the tag, greedy; no closing tag is a failed translation. The
other reading, with native answers of the policy, is `lidr`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from mpodata.engines import Answer, Engine, Sampling
from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.licences import model_licence
from mpodata.records import Dropped, Message, user_turn
from mpodata.refusals import Detector, Exchange
from mpodata.runtime.fingerprint import text_hash
from mpodata.runtime.journal import Journal
from mpodata.translators import SentenceTranslator, Unit
from mpodata.translators.checks import circles
from mpodata.translators.document import DocumentTranslator

PROMPT: Final = (
    "Translate the text between the sentence tags from {source} into {target}. Keep its line breaks, lists, links, "
    "code and numbers. Write the {target} translation between translated tags and nothing else.\n\n"
    "<sentence>{text}</sentence>"
)
OPEN, CLOSE = "<translated>", "</translated>"
DECODING: Final = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=4096, seed=42, prefix=OPEN)
TOKENS_PER_CHARACTER: Final = 3  # of the source; byte-level vocabularies write Bengali or Thai at about this rate
CAPS: Final = (256, 512, 1024, 2048, 4096)  # new tokens; texts of one class are asked together
FIRST_LOOK: Final = 4  # that part of a cap is drawn before an answer is looked at: most translations end there
ANOTHER: Final = replace(DECODING, temperature=0.7, top_p=0.95)  # the second attempt


class SelfTranslation(SentenceTranslator):
    """Asks the policy, whole fields at a time unless told otherwise."""

    max_segment = 8_000
    block = 256

    def __init__(self, engine: Engine, detector: Detector, *, unit: Unit = "text") -> None:
        if unit not in ("text", "line", "sentence"):
            raise ConfigError(f"translator.options.unit must be text, line or sentence, got {unit!r}.")
        self.engine = engine
        self.detector = detector
        self.unit = unit

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "selftrans",
            "policy": self.engine.provenance(),
            "detector": self.detector.provenance(),
            "prompt": text_hash(PROMPT, OPEN, CLOSE),
            "unit": self.unit,
            "licence": model_licence(str(self.engine.provenance().get("model", ""))),
        }

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One result per text. A policy that refuses to translate is "refused-to-translate", not a failure to."""
        names = {"source": language_of(source).name, "target": language_of(target).name}
        # The tags of the form are not part of any text; what looks like one may not end the sentence early.
        asked = [user_turn(PROMPT.format(**names, text=_without_tags(text))) for text in texts]
        answers = watched_answers(self.engine, asked, texts, ANOTHER if attempt else DECODING)
        refused = self._refused(texts, [answer.text for answer in answers], source, target)
        return [
            Dropped("refused-to-translate") if no else _inside(answer)
            for answer, no in zip(answers, refused, strict=True)
        ]

    def _refused(self, texts: Sequence[str], answers: Sequence[str], source: str, target: str) -> list[bool]:
        """Is an answer a refusal where its text is none?"""
        bare = [answer.partition(CLOSE)[0].replace(OPEN, "").strip() for answer in answers]
        judged = [
            [
                verdict.label == "refusal"
                for verdict in self.detector.verdicts([Exchange(code, "", reply) for reply in many])
            ]
            for code, many in ((target, bare), (source, bare), (source, texts))
        ]
        return [(in_target or in_source) and not itself for in_target, in_source, itself in zip(*judged, strict=True)]


def _inside(answer: Answer) -> str | Dropped:
    """What stands before the closing tag."""
    if answer.finish == "error":
        return Dropped("service", "the engine did not answer")
    if answer.finish == "blocked":
        return Dropped("blocked", "the provider's content filter")
    text, closed, _ = answer.text.partition(CLOSE)
    if closed:
        return text.removeprefix(OPEN).strip() or Dropped("empty")
    if answer.finish == "length":
        return Dropped("looping" if circles(text) else "truncated")
    return Dropped("no-closing-tag")


def watched_answers(
    engine: Engine, asked: Sequence[list[Message]], texts: Sequence[str], sampling: Sampling
) -> list[Answer]:
    """One answer to each conversation about a text; one that goes in circles is not drawn to its cap.

    What is not yet complete is drawn once more, from its beginning and to the cap: engines do not go on with an answer.
    """
    caps = [cap(text) for text in texts]
    looks = [most // FIRST_LOOK for most in caps]
    answers = capped_answers(engine, asked, looks, sampling)
    longer = [
        at
        for at, answer in enumerate(answers)
        if answer.finish == "length" and looks[at] < caps[at] and (circles(texts[at]) or not circles(answer.text))
    ]
    whole = capped_answers(engine, [asked[at] for at in longer], [caps[at] for at in longer], sampling)
    for at, answer in zip(longer, whole, strict=True):
        answers[at] = answer
    return answers


def capped_answers(
    engine: Engine, asked: Sequence[list[Message]], caps: Sequence[int], sampling: Sampling
) -> list[Answer]:
    """One answer to each conversation, of at most its own number of new tokens."""
    answers: dict[int, Answer] = {}
    for most in sorted(set(caps)):
        places = [at for at, each in enumerate(caps) if each == most]
        drawn = engine.answers([asked[at] for at in places], replace(sampling, max_tokens=most))
        answers.update(zip(places, (row[0] for row in drawn), strict=True))
    return [answers[at] for at in range(len(asked))]


def cap(text: str) -> int:
    """New tokens after which a translation of `text` is taken to run away: the smallest class that holds it amply."""
    wanted = TOKENS_PER_CHARACTER * len(text) + 64
    return next((most for most in CAPS if wanted <= most), CAPS[-1])


def _without_tags(text: str) -> str:
    for tag in ("<sentence>", "</sentence>", OPEN, CLOSE):
        text = text.replace(tag, "")
    return text


def selftrans(
    *,
    engine: Engine,
    detector: Detector,
    unit: Unit = "text",
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> DocumentTranslator:
    """A Translator that asks the policy to translate prompt, chosen and rejected."""
    return DocumentTranslator(
        SelfTranslation(engine, detector, unit=unit), dominant=dominant, journal=journal, progress=progress
    )
