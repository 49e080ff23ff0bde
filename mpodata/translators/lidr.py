"""LIDR, language imbalance driven rewarding, as its authors' code does it (Yang et al., arXiv 2410.08964).

Prompts come translated; the policy answers them natively (greedy, repetition penalty 1.1, at most 2,400 tokens); its
dominant answer is self-translated. Target row: chosen = the dominant answer in the target language, rejected = the
native answer. (The reading in MPO's appendix H.4, the policy translating the whole triplet, is `selftrans`.)

Three deviations for refusal data. The dominant answer is the version's own chosen one, so that target and dominant rows
say the same; with `chosen: greedy` it is the policy's greedy answer, as in the authors' code, where that is of the
pair's kind. A native answer that is itself a refusal cannot be what is unlearnt: its row is dropped
as "native-refusal". And the authors' English row (rejected = the native answer translated back) is in no version, whose
dominant side is stored once and is the same for all translators: `original_pairs` makes it, beside the target row.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, get_args

from mpodata.engines import Answer, Engine, Sampling
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals import Detector
from mpodata.runtime.journal import Journal
from mpodata.translators import Translator
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.policy import AnswerRequest, TargetAnswers, joined, policy_of, text_translator

ChosenAnswer = Literal["dominant", "greedy"]

NATIVE: Final = Sampling(temperature=0.0, repetition_penalty=1.1, max_tokens=2400, seed=42)


class Lidr(Translator):
    """A Translator."""

    def __init__(
        self, policy: TargetAnswers, translation: DocumentTranslator, *, chosen: ChosenAnswer = "dominant"
    ) -> None:
        if chosen not in get_args(ChosenAnswer):
            raise ConfigError(f"translator.options.chosen must be dominant or greedy, got {chosen!r}.")
        self.policy = policy
        self.translation = translation
        self.chosen = chosen
        # The fields that translate the dominant row's: what is native, or another answer, is not compared with it.
        self.translated_fields: tuple[str, ...] = ("prompt", "chosen") if chosen == "dominant" else ("prompt",)

    def check_languages(self, languages: Sequence[str]) -> None:
        self.policy.prompt_translator.check_languages(languages)

    def ready(self, prompts: Sequence[str], languages: Sequence[str]) -> None:
        self.policy.prompt_translator.ready(prompts, languages)

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "lidr",
            **self.policy.provenance(),
            "answers": self.translation.provenance(),
            "native": {
                "temperature": 0.0,
                "repetition_penalty": NATIVE.repetition_penalty,
                "max_tokens": NATIVE.max_tokens,
            },
            **({"chosen": self.chosen} if self.chosen != "dominant" else {}),
        }

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """Counterweight pairs have no native answer to unlearn: their rejected refusal is self-translated too."""
        dominant = self.policy.dominant
        prompts = self.policy.prompt_translator.texts([side.prompt for side in sides], dominant, language)
        wanted = self.policy.wanted(sides)
        chosen = self._chosen(sides, wanted, language)
        rejected = self._rejected(sides, prompts, wanted, language)
        return [joined(language, *fields) for fields in zip(prompts, chosen, rejected, strict=True)]

    def original_pairs(self, sides: Sequence[Side], language: str) -> list[list[Side] | Dropped]:
        """The target row and the English row of each prompt, both or none, as the authors train on them."""
        rows = self.translate(sides, language)
        wanted = self.policy.wanted(sides)
        english = self._dominant_answers(sides, wanted)
        natives = {
            at: row.rejected
            for at, (row, kind) in enumerate(zip(rows, wanted, strict=True))
            if isinstance(row, Side) and kind == "refusal"
        }
        back = self.translation.texts(list(natives.values()), language, self.policy.dominant)
        results: list[list[Side] | Dropped] = [row if isinstance(row, Dropped) else [row] for row in rows]
        for at, text in zip(natives, back, strict=True):
            whole = joined(self.policy.dominant, sides[at].prompt, english[at], text)
            results[at] = whole if isinstance(whole, Dropped) else [rows[at], whole]  # type: ignore[list-item]
        return results

    def _chosen(self, sides: Sequence[Side], wanted: Sequence[AnswerRequest], language: str) -> list[str | Dropped]:
        """The dominant answers in the target language."""
        answers = self._dominant_answers(sides, wanted)
        texts = [answer for answer in answers if isinstance(answer, str)]
        translations = iter(self.translation.texts(texts, self.policy.dominant, language))
        return [next(translations) if isinstance(answer, str) else answer for answer in answers]

    def _dominant_answers(self, sides: Sequence[Side], wanted: Sequence[AnswerRequest]) -> list[str | Dropped]:
        """The answers to learn in the dominant language: the version's own, or the policy's greedy ones."""
        if self.chosen == "dominant":
            return [side.chosen for side in sides]
        drawn = self.policy.answers([side.prompt for side in sides], NATIVE)
        return [
            self._of_kind(side.prompt, answers[0], kind)
            for side, answers, kind in zip(sides, drawn, wanted, strict=True)
        ]

    def _of_kind(self, prompt: str, answer: Answer, wanted: AnswerRequest) -> str | Dropped:
        """A greedy dominant answer where it is what the pair wants."""
        unfinished = _unfinished(answer, "greedy answer")
        if unfinished:
            return unfinished
        judged = self.policy.judged(prompt, [answer], self.policy.dominant)
        if not judged:
            return Dropped("empty", "greedy answer")
        if not judged[0].is_what(wanted):
            return Dropped("not-a-refusal" if wanted == "refusal" else "not-helpful", "greedy answer")
        return judged[0].text

    def _rejected(
        self, sides: Sequence[Side], prompts: Sequence[str | Dropped], wanted: Sequence[AnswerRequest], language: str
    ) -> list[str | Dropped]:
        results: list[str | Dropped] = [Dropped("no-prompt") for _ in sides]
        native = {
            at: prompt for at, prompt in enumerate(prompts) if isinstance(prompt, str) and wanted[at] == "refusal"
        }
        answers = [answers[0] for answers in self.policy.answers(list(native.values()), NATIVE)]
        for (at, prompt), answer in zip(native.items(), answers, strict=True):
            results[at] = self._native(prompt, answer, language)
        helpful = [at for at, kind in enumerate(wanted) if kind == "compliance"]
        translated = self.translation.texts([sides[at].rejected for at in helpful], self.policy.dominant, language)
        for at, text in zip(helpful, translated, strict=True):
            results[at] = text
        return results

    def _native(self, prompt: str, answer: Answer, language: str) -> str | Dropped:
        unfinished = _unfinished(answer, "native answer")
        if unfinished:
            return unfinished
        judged = self.policy.judged(prompt, [answer], language)
        if not judged:
            return Dropped("empty", "native answer")
        if judged[0].label == "refusal":
            return Dropped("native-refusal")
        return judged[0].text if judged[0].sound else Dropped("unsound-answer", "native answer")


def _unfinished(answer: Answer, which: str) -> Dropped | None:
    if answer.finish == "stop":
        return None
    return Dropped({"error": "service", "blocked": "blocked"}.get(answer.finish, "truncated"), which)


def lidr(
    *,
    engine: Engine,
    detector: Detector,
    prompts: str = "nllb-600m",
    prompts_model: str | None = None,
    answers: str = "selftrans",
    chosen: ChosenAnswer = "dominant",
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Lidr:
    """A Translator; `prompts` names the translator of the prompts, `prompts_model` its model.

    answers: who translates the dominant answers: "selftrans", the policy as in the paper, or another translator's name
        (a deviation, for policies that cannot translate; provenance names it). chosen: "dominant", the version's own
        chosen answer, or "greedy", the policy's greedy one.
    """
    policy = policy_of(
        engine=engine,
        detector=detector,
        prompts=prompts,
        prompts_model=prompts_model,
        dominant=dominant,
        journal=journal,
        progress=progress,
    )
    translation = text_translator(
        "answers", answers, engine=engine, detector=detector, dominant=dominant, journal=policy.journal,
        progress=progress,
    )  # fmt: skip
    return Lidr(policy, translation, chosen=chosen)
