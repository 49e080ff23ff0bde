"""ICR, implicit cross-lingual rewarding (Yang et al., Findings of ACL 2025, arXiv 2503.04647).

The policy answers the translated prompt `samples` times (10, temperature 0.9, at most 2,400 tokens, seed 42). An
answer's reward is what preference training has taught a model, read from the model itself:

    r(y) = sum_t log pi_aligned(y_t | p, x_en, y_<t) - log pi_reference(y_t | p, x_en, y_<t)

with x_en the ENGLISH instruction and p a prefix that asks for an answer in the language; no length normalisation.
Length control: r - alpha |y| (characters), alpha the smallest of 0, .001, ..., .999 per language at which chosen and
rejected are most nearly equally long on average (the authors' grid). Pair = highest / lowest, stored with the
target-language instruction; answers with one reward make no pair ("tied-rewards").

`guard` (on by default, not in the paper) lets only what a pair of its kind needs be chosen and rejected. alpha is
searched over the sides given in one call, so a build gives all rows of a language at once (`needs_all_rows`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from mpodata.engines import Engine, Sampling
from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.records import Dropped, Side
from mpodata.refusals import Detector
from mpodata.runtime.fingerprint import text_hash
from mpodata.runtime.journal import Journal
from mpodata.translators import Translator
from mpodata.translators.policy import (
    AnswerRequest,
    Candidate,
    TargetAnswers,
    chosen_and_rejected,
    joined,
    policy_of,
    scored,
)
from mpodata.translators.rewards import ImplicitReward

STEPS: Final = 1000  # alpha is a multiple of 1 / STEPS
PREFIX: Final = "Please answer the following instruction in {language}.\n\n"

Chosen = tuple[Candidate, Candidate | None] | Dropped


class Icr(Translator):
    """A Translator that chooses among sampled answers."""

    translated_fields: tuple[str, ...] = ("prompt",)  # answers are native: no check compares it with the dominant text

    def __init__(
        self,
        policy: TargetAnswers,
        reward: ImplicitReward,
        *,
        sampling: Sampling,
        alpha: float | None = None,
        guard: bool = True,
    ) -> None:
        if alpha is not None and not 0 <= alpha <= 1:
            raise ConfigError(f"translator.options.alpha must be between 0 and 1, got {alpha}.")
        self.policy = policy
        self.reward = reward
        self.sampling = sampling
        self.alpha = alpha
        self.needs_all_rows = alpha is None
        self.guard = guard

    def check_languages(self, languages: Sequence[str]) -> None:
        self.policy.prompt_translator.check_languages(languages)

    def ready(self, prompts: Sequence[str], languages: Sequence[str]) -> None:
        self.policy.prompt_translator.ready(prompts, languages)

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "icr",
            **self.policy.provenance(),
            "reward": {**self.reward.provenance(), "prefix": text_hash(PREFIX)},
            "sampling": asdict(self.sampling),
            "alpha": "searched" if self.alpha is None else self.alpha,
            "guard": self.guard,
        }

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """Rows whose candidates hold no pair are dropped: "no-chosen-candidate", "no-rejected-candidate"."""
        policy = self.policy
        prompts = policy.prompt_translator.texts([side.prompt for side in sides], policy.dominant, language)
        asked = [at for at, prompt in enumerate(prompts) if isinstance(prompt, str)]
        drawn = policy.answers([str(prompts[at]) for at in asked], self.sampling)
        judged = [policy.judged(str(prompts[at]), answers, language) for at, answers in zip(asked, drawn, strict=True)]
        rewarded = self._rewarded([sides[at].prompt for at in asked], judged, language)
        kinds = policy.wanted([sides[at] for at in asked])
        alpha = length_control(rewarded, kinds, guard=self.guard) if self.alpha is None else self.alpha
        pairs = dict(zip(asked, pairs_at(rewarded, kinds, alpha, guard=self.guard), strict=True))
        return [_side(language, prompt, pairs.get(at)) for at, prompt in enumerate(prompts)]

    def _rewarded(
        self, english: Sequence[str], judged: Sequence[Sequence[Candidate]], language: str
    ) -> list[list[Candidate]]:
        prefix = PREFIX.format(language=language_of(language).name)
        flat = [
            (prefix + prompt, candidate.text)
            for prompt, many in zip(english, judged, strict=True)
            for candidate in many
        ]
        rewards = iter(
            self.policy.journal.through(
                "reward", self.reward.provenance(), flat, self.reward.rewards, block=8192, done=self.policy.progress
            )
        )
        return [scored(many, [float(next(rewards)) for _ in many]) for many in judged]


def length_control(rewarded: Sequence[Sequence[Candidate]], kinds: Sequence[AnswerRequest], *, guard: bool) -> float:
    """The smallest alpha at which chosen and rejected answers differ least in mean characters."""
    return min((step / STEPS for step in range(STEPS)), key=lambda alpha: _length_gap(rewarded, kinds, alpha, guard))


def _length_gap(
    rewarded: Sequence[Sequence[Candidate]], kinds: Sequence[AnswerRequest], alpha: float, guard: bool
) -> float:
    pairs = [pair for pair in pairs_at(rewarded, kinds, alpha, guard=guard) if not isinstance(pair, Dropped)]
    gaps = [len(chosen.text) - len(rejected.text) for chosen, rejected in pairs if rejected]
    return abs(sum(gaps)) / len(gaps) if gaps else 0.0


def pairs_at(
    rewarded: Sequence[Sequence[Candidate]], kinds: Sequence[AnswerRequest], alpha: float, *, guard: bool
) -> list[Chosen]:
    """The pair of every row at one alpha."""
    controlled = [
        scored(many, [candidate.score - alpha * len(candidate.text) for candidate in many]) for many in rewarded
    ]
    if guard:
        return [chosen_and_rejected(many, kind, margin=0.0) for many, kind in zip(controlled, kinds, strict=True)]
    return [_extremes(many) for many in controlled]


def _extremes(candidates: Sequence[Candidate]) -> Chosen:
    """The paper's pair: highest and lowest, whatever they say. Its code keeps ties, where both are one answer."""
    sound = [candidate for candidate in candidates if candidate.sound]
    if not sound:
        return Dropped("no-chosen-candidate", "no answer is complete and in the language")
    ranked = sorted(sound, key=lambda candidate: (-candidate.score, candidate.text))
    if len(ranked) > 1 and ranked[-1].score == ranked[0].score:
        return Dropped("tied-rewards", f"{len(ranked)} answers with one reward")
    return ranked[0], ranked[-1] if len(ranked) > 1 else None


def _side(language: str, prompt: str | Dropped, pair: Chosen | None) -> Side | Dropped:
    if pair is None or isinstance(prompt, Dropped):
        return joined(language, prompt, "", "")
    if isinstance(pair, Dropped):
        return joined(language, prompt, pair, pair)
    chosen, rejected = pair
    return joined(language, prompt, chosen.text, rejected.text if rejected else Dropped("no-rejected-candidate"))


def icr(
    *,
    engine: Engine,
    detector: Detector,
    reference: str,
    aligned: str | None = None,
    samples: int = 10,
    temperature: float = 0.9,
    max_tokens: int = 2400,
    alpha: float | None = None,
    guard: bool = True,
    prompts: str = "nllb-600m",
    prompts_model: str | None = None,
    device: str = "auto",
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Icr:
    """A Translator; `aligned` is the model after preference training (else the policy), `reference` the one before."""
    if samples < 2:
        raise ConfigError(f"translator.options.samples must be at least 2, got {samples}.")
    policy = policy_of(
        engine=engine,
        detector=detector,
        prompts=prompts,
        prompts_model=prompts_model,
        dominant=dominant,
        journal=journal,
        progress=progress,
    )
    if aligned is None:
        aligned = str(engine.provenance().get("model", ""))
    reward = ImplicitReward(aligned, reference, device=device)
    sampling = Sampling(candidates=samples, temperature=temperature, max_tokens=max_tokens, seed=42)
    return Icr(policy, reward, sampling=sampling, alpha=alpha, guard=guard)
