"""MAPO: answers ranked by how well they align with the English ones (She et al., arXiv 2401.06838).

The policy answers the translated prompt `samples` times (20, temperature 0.8, at most 512 tokens). An answer's score is
how well NLLB-600M forced-decodes the English answer from it: encoder input = the answer, decoder labels = the English
answer, score = 1 / mean cross-entropy over true tokens without the language token, averaged over English reference
answers. Better = chosen, worse = rejected.

A version holds one pair per prompt and language. `original_pairs` gives what the authors train on (NJUNLP/MAPO
@82fbc45, Preprocess/): scores averaged over all distinct English samples, and of every winning answer a pair with each
answer that scores lower. There an answer wins only if its number is right; here, if it is what the pair wants.

For safety data a score is not enough (the authors rank reasoning): the chosen answer must be a refusal in the right
language, the rejected one unsafe or, by a clear margin, worse; otherwise pairs of two gibberish answers come out.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from mpodata.engines import Engine, Sampling
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals import Detector
from mpodata.runtime.journal import Journal
from mpodata.translators import Translator
from mpodata.translators.checks import circles
from mpodata.translators.nllb import SIZES, Nllb
from mpodata.translators.policy import (
    AnswerRequest,
    Candidate,
    TargetAnswers,
    chosen_and_rejected,
    joined,
    policy_of,
    scored,
)
from mpodata.translators.seq2seq import Device

CERTAIN: Final = 1e-6  # nats a token; a cross-entropy below it is a rounding of 0
LONGEST: Final = 1000  # tokens of an answer or reference that are scored; NLLB has 1,024 positions
BATCH: Final = 4096  # tokens with padding
SCORING: Final = 1  # bump when the score changes; part of every journal key


class Aligner:
    """Scores answers by forced decoding."""

    def __init__(self, nllb: Nllb, journal: Journal, *, language_token: bool = False) -> None:
        """language_token: whether the reference's language token counts as one of its tokens."""
        self.nllb = nllb
        self.journal = journal
        self.language_token = language_token

    def provenance(self) -> dict[str, Any]:
        measured = {"beam", "licence"}  # neither changes a forced decoding
        model = {key: value for key, value in self.nllb.provenance().items() if key not in measured}
        return model | {"scoring": SCORING} | ({"language_token": True} if self.language_token else {})

    def scores(self, pairs: Sequence[tuple[str, str]], language: str, dominant: str) -> list[float]:
        """1 / mean cross-entropy (nats a token) of each (answer in `language`, reference in `dominant`)."""
        spec = {**self.provenance(), "source": language, "target": dominant}
        compute = lambda part: self._scores(part, language, dominant)  # noqa: E731
        return [float(score) for score in self.journal.through("alignment", spec, [*pairs], compute, block=4096)]

    def _scores(self, pairs: Sequence[tuple[str, str]], language: str, dominant: str) -> list[float]:
        tokens = [self.nllb.tokens(list(texts)) for texts in zip(*pairs, strict=True)]
        sources = [self.nllb.source_tokens(answer[:LONGEST], language) for answer in tokens[0]]
        targets = [[self.nllb.code(dominant), *reference[:LONGEST]] for reference in tokens[1]]
        results = self.nllb.translator.score_batch(
            sources,
            targets,
            offset=0 if self.language_token else 1,
            max_input_length=0,
            max_batch_size=BATCH,
            batch_type="tokens",
        )
        return [1 / max(CERTAIN, -sum(result.log_probs) / len(result.log_probs)) for result in results]


class Mapo(Translator):
    """A Translator that chooses among sampled answers."""

    translated_fields: tuple[str, ...] = ("prompt",)  # answers are native: no check compares it with the dominant text

    def __init__(
        self, policy: TargetAnswers, aligner: Aligner, *, sampling: Sampling, references: int = 1, margin: float = 0.1
    ) -> None:
        if references < 1:
            raise ConfigError(f"translator.options.references must be at least 1, got {references}.")
        if margin < 0:
            raise ConfigError(f"translator.options.margin must be >= 0, got {margin}.")
        self.policy = policy
        self.aligner = aligner
        self.sampling = sampling
        self.references = references
        self.margin = margin

    def check_languages(self, languages: Sequence[str]) -> None:
        self.policy.prompt_translator.check_languages(languages)

    def ready(self, prompts: Sequence[str], languages: Sequence[str]) -> None:
        self.policy.prompt_translator.ready(prompts, languages)

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "mapo",
            **self.policy.provenance(),
            "aligner": self.aligner.provenance(),
            "sampling": asdict(self.sampling),
            "references": self.references,
            "margin": self.margin,
        }

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """Counterweight pairs take the policy's best helpful answer; where it never refuses, a translated refusal."""
        policy = self.policy
        prompts = policy.prompt_translator.texts([side.prompt for side in sides], policy.dominant, language)
        asked = [at for at, prompt in enumerate(prompts) if isinstance(prompt, str)]
        drawn = dict(zip(asked, policy.answers([str(prompts[at]) for at in asked], self.sampling), strict=True))
        wanted = policy.wanted(sides)
        references = self._references([sides[at] for at in asked], [wanted[at] for at in asked])
        judged = [policy.judged(str(prompts[at]), drawn[at], language) for at in asked]
        ranked = dict(zip(asked, self._ranked(judged, references, language), strict=True))
        results: list[Side | Dropped] = []
        for at, prompt in enumerate(prompts):
            fields = _fields(ranked[at], wanted[at], self.margin) if at in ranked else (Dropped("no-prompt"),) * 2
            results.append(joined(language, prompt, *fields))
        return self._with_translated_refusals(sides, prompts, results, ranked, wanted, language)

    def original_pairs(self, sides: Sequence[Side], language: str) -> list[list[Side] | Dropped]:
        """Every winning with every losing answer, scored against all English samples, best winner first."""
        policy = self.policy
        prompts = policy.prompt_translator.texts([side.prompt for side in sides], policy.dominant, language)
        asked = [at for at, prompt in enumerate(prompts) if isinstance(prompt, str)]
        drawn = policy.answers([str(prompts[at]) for at in asked], self.sampling)
        references = self._english_samples([sides[at] for at in asked])
        judged = [policy.judged(str(prompts[at]), answers, language) for at, answers in zip(asked, drawn, strict=True)]
        scored_by = [many if against else [] for many, against in zip(judged, references, strict=True)]
        ranked = self._ranked(scored_by, references, language)
        wanted = policy.wanted([sides[at] for at in asked])
        results: list[list[Side] | Dropped] = [Dropped("no-prompt") for _ in sides]
        for at, candidates, against, kind in zip(asked, ranked, references, wanted, strict=True):
            pairs = _combinations(candidates, kind)
            made = [Side(language, str(prompts[at]), better.text, worse.text) for better, worse in pairs]
            results[at] = made or Dropped("no-pair" if against else "no-english-sample")
        return results

    def _english_samples(self, sides: Sequence[Side]) -> list[list[str]]:
        """The policy's distinct dominant-language answers to each prompt, but for those that go in circles."""
        drawn = self.policy.answers([side.prompt for side in sides], self.sampling)
        texts = [dict.fromkeys(answer.text.strip() for answer in answers) for answers in drawn]
        return [[text for text in distinct if text and not circles(text)] for distinct in texts]

    def _references(self, sides: Sequence[Side], wanted: Sequence[AnswerRequest]) -> list[list[str]]:
        """The English answers to align with: the pair's own and, if asked, samples that are of its kind."""
        english = [[side.chosen] for side in sides]
        if self.references == 1:
            return english
        for own, side, kind, answers in zip(
            english, sides, wanted, self.policy.answers([side.prompt for side in sides], self.sampling), strict=True
        ):
            same = [
                one.text for one in self.policy.judged(side.prompt, answers, self.policy.dominant) if one.is_what(kind)
            ]
            own.extend([text for text in same if text != side.chosen][: self.references - 1])
        return english

    def _ranked(
        self, judged: Sequence[Sequence[Candidate]], references: Sequence[Sequence[str]], language: str
    ) -> list[list[Candidate]]:
        pairs = [(c.text, r) for many, against in zip(judged, references, strict=True) for c in many for r in against]
        scores = iter(self.aligner.scores(pairs, language, self.policy.dominant))
        return [
            scored(many, [sum(next(scores) for _ in against) / len(against) for _ in many])
            for many, against in zip(judged, references, strict=True)
        ]

    def _with_translated_refusals(
        self,
        sides: Sequence[Side],
        prompts: Sequence[str | Dropped],
        results: list[Side | Dropped],
        ranked: dict[int, list[Candidate]],
        wanted: Sequence[AnswerRequest],
        language: str,
    ) -> list[Side | Dropped]:
        lacking = [at for at, result in enumerate(results) if wanted[at] == "compliance" and _lacks_rejected(result)]
        refusals = self.policy.prompt_translator.texts(
            [sides[at].rejected for at in lacking], self.policy.dominant, language
        )
        for at, refusal in zip(lacking, refusals, strict=True):
            chosen, _ = _fields(ranked[at], wanted[at], self.margin)
            results[at] = joined(language, prompts[at], chosen, refusal)
        return results


def _combinations(candidates: Sequence[Candidate], wanted: AnswerRequest) -> list[tuple[Candidate, Candidate]]:
    """(winner, loser): a winner is what the pair wants, a loser any answer that scores lower."""
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.text))
    return [
        (winner, loser)
        for place, winner in enumerate(ranked)
        if winner.is_what(wanted)
        for loser in ranked[place + 1 :]
        if loser.score < winner.score
    ]


def _fields(
    candidates: Sequence[Candidate], wanted: AnswerRequest, margin: float
) -> tuple[str | Dropped, str | Dropped]:
    pair = chosen_and_rejected(candidates, wanted, margin=margin)
    if isinstance(pair, Dropped):
        return pair, pair
    chosen, rejected = pair
    return chosen.text, rejected.text if rejected else Dropped("no-rejected-candidate")


def _lacks_rejected(result: Side | Dropped) -> bool:
    return isinstance(result, Dropped) and result.reason == "no-rejected-candidate"


def mapo(
    *,
    engine: Engine,
    detector: Detector,
    samples: int = 20,
    temperature: float = 0.8,
    max_tokens: int = 512,
    references: int = 1,
    margin: float = 0.1,
    prompts: str = "nllb-600m",
    prompts_model: str | None = None,
    aligner: str = "nllb-600m",
    aligner_model: str | None = None,
    language_token: bool = False,
    device: Device = "auto",
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Mapo:
    """A Translator; `aligner` names the NLLB size that scores, `prompts` the translator of the prompts.

    references: English answers that each answer is scored against; `samples` of them are all that the policy gives.
    """
    if samples < 2:
        raise ConfigError(f"translator.options.samples must be at least 2, got {samples}.")
    if aligner not in SIZES:
        raise ConfigError(f"translator.options.aligner must be one of {', '.join(SIZES)}, got {aligner!r}.")
    policy = policy_of(
        engine=engine,
        detector=detector,
        prompts=prompts,
        prompts_model=prompts_model,
        dominant=dominant,
        journal=journal,
        progress=progress,
    )
    size = SIZES[aligner]
    nllb = Nllb(size.name, aligner_model or size.model, licence=size.licence, device=device)
    sampling = Sampling(candidates=samples, temperature=temperature, max_tokens=max_tokens)
    scorer = Aligner(nllb, policy.journal, language_token=language_token)
    return Mapo(policy, scorer, sampling=sampling, references=references, margin=margin)
