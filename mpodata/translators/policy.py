"""What the methods share whose answers are the policy's own: sampling, judging, and what a pair needs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from mpodata.engines import Answer, Engine, Sampling
from mpodata.engines.reasoning import restored
from mpodata.errors import ConfigError
from mpodata.languages.identification import identify
from mpodata.licences import derived_licence, model_licence
from mpodata.records import Dropped, Side
from mpodata.refusals import Detector, Exchange, Verdict
from mpodata.registry import construct
from mpodata.runtime.journal import Journal
from mpodata.translators import TRANSLATORS
from mpodata.translators.checks import circles
from mpodata.translators.document import DocumentTranslator

AnswerRequest = Literal["refusal", "compliance"]  # what a pair's chosen answer has to be

CONSIDERED: Final = {"zh", "ja", "ko", "ar", "bn", "sw", "th", "vi", "de", "fr", "es", "it", "pt", "ru"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled answer in the target language, judged."""

    text: str
    label: str  # refusals.Label
    unsafe: bool | None  # None: the detector does not say
    sound: bool  # complete, in the right language, not going in circles
    score: float = 0.0  # the method's own: the higher the better

    def is_what(self, wanted: AnswerRequest) -> bool:
        """May it be the chosen answer of a pair that wants this?"""
        return self.sound and self.label == wanted and not self.unsafe

    def is_against(self, wanted: AnswerRequest) -> bool:
        """Is it clearly what the pair teaches to leave?"""
        if wanted == "compliance":
            return self.sound and self.label == "refusal"
        return self.sound and self.label != "refusal" and (bool(self.unsafe) or self.label == "compliance")


@dataclass(frozen=True, slots=True)
class TargetAnswers:
    """The policy model with everything around it."""

    engine: Engine
    detector: Detector
    journal: Journal
    prompt_translator: DocumentTranslator  # of prompts, and whatever no answer of the policy's stands for
    dominant: str
    progress: Callable[[int], None] = lambda _: None

    def answers(self, prompts: Sequence[str], sampling: Sampling) -> list[list[Answer]]:
        """The policy's answers to single user turns; those of the build itself are found in the journal."""

        def draw(part: list[str]) -> list[list[dict[str, Any]]]:
            drawn = self.engine.answers([[{"role": "user", "content": prompt}] for prompt in part], sampling)
            return [[asdict(answer) for answer in answers] for answers in drawn]

        spec = {**self.engine.provenance(), "sampling": asdict(sampling)}
        block = self.engine.block  # prompts journaled at once, as in a build's own answers
        recorded = self.journal.through("answer", spec, prompts, draw, block=block, keep=_complete, done=self.progress)
        return [[restored(answer) for answer in answers] for answers in recorded]

    def wanted(self, sides: Sequence[Side]) -> list[AnswerRequest]:
        """Refusal pairs and counterweight pairs, told apart by what their dominant chosen answer is.

        Where it refuses a harmful prompt but would help with a harmless one, the rejected answer decides.
        """
        answers = [(side.prompt, side.chosen) for side in sides]
        to_harmful = self.verdicts(answers, self.dominant, harmful=True)
        to_harmless = self.verdicts(answers, self.dominant, harmful=False)
        rejected = self.verdicts([(side.prompt, side.rejected) for side in sides], self.dominant)
        return [
            "compliance"
            if helps.label == "compliance" and (refuses.label == "compliance" or other.label != "compliance")
            else "refusal"
            for refuses, helps, other in zip(to_harmful, to_harmless, rejected, strict=True)
        ]

    def verdicts(
        self, exchanges: Sequence[tuple[str, str]], language: str, *, harmful: bool | None = None
    ) -> list[Verdict]:
        return self.detector.verdicts([Exchange(language, prompt, answer, harmful) for prompt, answer in exchanges])

    def judged(self, prompt: str, answers: Sequence[Answer], language: str) -> list[Candidate]:
        """The distinct answers to one prompt, judged."""
        distinct = list({answer.text.strip(): answer for answer in answers if answer.text.strip()}.items())
        verdicts = self.verdicts([(prompt, text) for text, _ in distinct], language)
        codes = [code for code, _ in identify([text for text, _ in distinct], CONSIDERED | {language, self.dominant})]
        return [
            Candidate(text, verdict.label, verdict.unsafe, _sound(answer, text, code == language))
            for (text, answer), verdict, code in zip(distinct, verdicts, codes, strict=True)
        ]

    def provenance(self) -> dict[str, Any]:
        """The policy, the detector and the translator of prompts; the licence follows from both models."""
        policy, prompts = self.engine.provenance(), self.prompt_translator.provenance()
        parts = [model_licence(str(policy.get("model", ""))), str(prompts.get("licence", ""))]
        return {
            "policy": policy,
            "detector": self.detector.provenance(),
            "prompts": prompts,
            "licence": derived_licence(parts),
        }


def policy_of(
    *,
    engine: Engine,
    detector: Detector,
    prompts: str,
    prompts_model: str | None,
    dominant: str,
    journal: Journal | None,
    progress: Callable[[int], None],
) -> TargetAnswers:
    """The policy with the translator that `prompts` names in TRANSLATORS."""
    journal = Journal(":memory:") if journal is None else journal
    given = {"dominant": dominant, "journal": journal, "progress": progress, "engine": engine, "detector": detector}
    prompt_translator = text_translator("prompts", prompts, prompts_model, **given)
    return TargetAnswers(engine, detector, journal, prompt_translator, dominant, progress)


def text_translator(option: str, name: str, model: str | None = None, **given: Any) -> DocumentTranslator:
    """The translator of text that translator.options.`option` names; raises ConfigError for one that chooses answers.

    Args: given: what a build offers every translator: engine, detector, journal, dominant, progress.
    """
    if name in ("lidr", "mapo", "icr"):
        raise ConfigError(
            f"translator.options.{option} must be one that translates text (nllb-600m, google), not {name!r}."
        )
    options = {} if model is None else {"model": model}
    translator: DocumentTranslator = construct("translator", TRANSLATORS, name, options, **given)
    return translator


def joined(language: str, *fields: str | Dropped) -> Side | Dropped:
    """Prompt, chosen and rejected as a side; the first that is not there drops it."""
    for name, field in zip(("prompt", "chosen", "rejected"), fields, strict=True):
        if isinstance(field, Dropped):
            return Dropped(field.reason, f"{name}: {field.detail}" if field.detail else name)
    return Side(language, *(str(field) for field in fields))


def chosen_and_rejected(
    candidates: Sequence[Candidate], wanted: AnswerRequest, *, margin: float
) -> tuple[Candidate, Candidate | None] | Dropped:
    """The best candidate that is what the pair wants, and the worst below it that is against it.

    Where none is clearly against it, the worst one that is at least no refusal and lies `margin` (a share of the best
    one's score) below; else None.
    """
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.text))
    chosen = next((candidate for candidate in ranked if candidate.is_what(wanted)), None)
    if chosen is None:
        labels = sorted({candidate.label for candidate in candidates if candidate.sound})
        return Dropped("no-chosen-candidate", f"sound answers are: {', '.join(labels) or 'none'}")
    below = [candidate for candidate in reversed(ranked) if candidate.score < chosen.score]
    rejected = next((candidate for candidate in below if candidate.is_against(wanted)), None)
    if rejected is None:
        far = chosen.score - margin * abs(chosen.score)
        others = [other for other in below if other.sound and other.label != wanted and other.label != "refusal"]
        rejected = next((other for other in others if other.score <= far), None)
    return chosen, rejected


def scored(candidates: Sequence[Candidate], scores: Sequence[float]) -> list[Candidate]:
    return [replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]


def _sound(answer: Answer, text: str, in_language: bool) -> bool:
    return answer.finish == "stop" and in_language and not circles(text)


def _complete(answers: list[dict[str, Any]]) -> bool:
    return all(answer["finish"] != "error" for answer in answers)
