"""What a build will do, before it does it: calls, tokens, the share found in the journal, GPU-hours, the licence."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mpodata.display.notebook import table
from mpodata.errors import MissingPackage, UnknownName
from mpodata.licences import derived_licence, licensed_parts, model_licence
from mpodata.pipeline.components import Components
from mpodata.pipeline.exact import check_pairs
from mpodata.pipeline.model_size import policy_billions, translator_billions
from mpodata.pipeline.preflight import SelectedRows, check_options, check_rows
from mpodata.pipeline.select import select
from mpodata.recipe import Recipe
from mpodata.records import Dropped, SourceRow
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.prices import Price, prices

CHARACTERS_PER_TOKEN = 4  # of English text, near enough for an estimate
ANSWER_TOKENS = 120  # of one answer, where the recipe allows that many
SEGMENT_TOKENS = 30  # of one translated sentence

# Peak dense bf16 operations a second of one GPU, from its data sheet.
GPU_FLOPS: Mapping[str, float] = {"a100": 312e12, "h100": 989e12, "h200": 989e12, "l40s": 362e12, "a10g": 70e12}
DECODING_EFFICIENCY = 0.10  # of the peak, batched decoding; prefill and training do better, a small batch worse

# Operations a second that batched decoding reaches on one core in float32: SmolLM2-135M made 87 tokens/s on two.
CPU_FLOPS = 12e9


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage's work."""

    calls: int  # prompts to answer, or segments to translate
    cached: int  # of them, found in the journal
    tokens: int  # new tokens of the calls that are not cached; an estimate
    characters: int = 0  # to send to a translator for them; an estimate


@dataclass(frozen=True, slots=True)
class Plan:
    """What `mpodata plan` shows."""

    rows: int  # source rows taken
    replaces: bool  # are rows that a later stage drops replaced (`pairs`)? Then this is the least that it costs
    dropped: Mapping[str, int]  # source rows that cannot be used, by reason
    shortfall: Mapping[str, Mapping[str, int]]  # recipe key -> rows asked and taken, where the source has too few
    answers: StageCost | None  # None where the source's own answers are chosen
    translations: Mapping[str, StageCost]  # language -> its segments
    licence: str
    parts: Mapping[str, str]  # part -> its licence
    policy_billions: float | None = None  # parameters, from its configuration; None: it could not be read
    translator_billions: float | None = None
    price: Price | None = None  # of a paid translator

    @property
    def cost(self) -> float | None:
        """What a paid translator will ask at its list price, in the price's currency; None where none is known."""
        if self.price is None:
            return None
        return self.price.of(sum(work.characters for work in self.translations.values()))

    def _repr_html_(self) -> str:
        """The work of each stage, in a notebook."""
        stages = {"answers": self.answers} if self.answers else {}
        work = {**stages, **{f"translation, {code}": stage for code, stage in self.translations.items()}}
        rows = [(name, stage.calls, stage.cached, f"{stage.tokens:,}") for name, stage in work.items()]
        notes = [f"{count} source rows dropped: {reason}" for reason, count in self.dropped.items()]
        notes += [
            f"{key}: {counts['asked']} rows asked, {counts['taken']} there" for key, counts in self.shortfall.items()
        ]
        notes.append(f"Licence: {self.licence} ({', '.join(f'{part}: {name}' for part, name in self.parts.items())}).")
        if self.price is not None:
            notes.append(f"Cost: about {self.cost:,.2f} {self.price.currency} ({self.price.note}).")
        heads = ("stage", "calls", "in the journal", "tokens to make, about")
        return table(f"{self.rows} rows taken from the source", heads, rows, notes)

    def operations(self, policy_billions: float, translator_billions: float) -> float:
        """Floating-point operations to decode what is not in the journal: 2 a parameter and token."""
        answered = self.answers.tokens * policy_billions if self.answers else 0.0
        translated = sum(work.tokens for work in self.translations.values()) * translator_billions
        return 2e9 * (answered + translated)

    def gpu_hours(self, gpu: str, policy_billions: float, translator_billions: float) -> float:
        """Decoding hours on one GPU of the kind, at a tenth of its peak."""
        if gpu not in GPU_FLOPS:
            raise UnknownName("GPU", gpu, GPU_FLOPS)
        operations = self.operations(policy_billions, translator_billions)
        return operations / (GPU_FLOPS[gpu] * DECODING_EFFICIENCY) / 3600

    def cpu_hours(self, count: int, policy_billions: float, translator_billions: float) -> float:
        """Decoding hours on `count` CPU cores in float32."""
        return self.operations(policy_billions, translator_billions) / (CPU_FLOPS * count) / 3600


def plan(recipe: Recipe, journal: Journal) -> Plan:
    """Read the source, ask the journal, and load no model."""
    if recipe.pairs is not None:
        check_pairs(recipe)
        recipe = replace(recipe, samples=recipe.pairs)  # the first round; what is dropped is replaced
    selection = select(recipe)
    recipe = selection.recipe
    if selection.finished is None:
        check_options(recipe)
    components = Components(recipe, journal)
    dropped: Counter[str] = Counter()
    rows: list[SourceRow] = []
    taken = 0
    for row in selection.pairs() if selection.finished else selection.rows():
        if isinstance(row, Dropped):
            dropped[row.reason] += 1
            continue
        taken += 1
        if isinstance(row, SourceRow):
            rows.append(row)
    watched = SelectedRows()
    rows = list(watched.watched(rows))
    check_rows(watched, recipe)
    if recipe.languages and selection.finished is None:
        components.translator.check_languages(recipe.languages)
    answered = recipe.chosen == "policy" and selection.finished is None
    parts = {"source": str(selection.provenance().get("licence") or "unknown")}
    if answered:
        parts["policy"] = model_licence(recipe.model)
    if recipe.languages and selection.finished is None:
        parts |= _translator_licences(components)
    policy = policy_billions(recipe) if selection.finished is None else 0.0
    return Plan(
        rows=taken,
        dropped=dict(dropped.most_common()),
        shortfall=selection.shortfall,
        replaces=recipe.pairs is not None,
        answers=_answers(rows, components) if answered else None,
        translations=_translations(rows, components, answered) if selection.finished is None else {},
        licence=derived_licence(parts.values()),
        parts=parts,
        policy_billions=policy,
        translator_billions=translator_billions(recipe, policy) if selection.finished is None else 0.0,
        price=prices().get(recipe.translator.name) if recipe.languages and selection.finished is None else None,
    )


def _translator_licences(components: Components) -> dict[str, str]:
    """Part -> licence; the policy's where it translates itself and what runs it is not installed on this machine."""
    try:
        return licensed_parts("translator", components.translator.provenance())
    except MissingPackage:
        return {"translator": model_licence(components.recipe.model)}


def _answers(rows: list[SourceRow], components: Components) -> StageCost:
    asked = [row for row in rows if row.unsafe]  # the others are dropped, whatever is answered
    try:
        cached = _cached_answers(asked, components)
    except MissingPackage:  # planned for another machine: no answer was made on this one
        cached = 0
    sampling = components.recipe.sampling
    tokens = (len(asked) - cached) * sampling.candidates * min(ANSWER_TOKENS, sampling.max_tokens)
    return StageCost(len(asked) * sampling.candidates, cached * sampling.candidates, tokens)


def _cached_answers(asked: list[SourceRow], components: Components) -> int:
    return sum(
        components.journal.known(
            "answer",
            components.answer_spec(system),
            [row.prompt for row in asked if components.system_of(row) == system],
        )
        for system in dict.fromkeys(map(components.system_of, asked))
    )


def _translations(rows: list[SourceRow], components: Components, answered: bool) -> dict[str, StageCost]:
    """What is left to translate for each language: exact for texts that are known, estimated for answers to come."""
    recipe, translator = components.recipe, components.translator
    texts = [text for row in rows for text in (row.prompt, row.unsafe) if text]
    if not answered:
        texts += [row.safe for row in rows if row.safe]
    works = {}
    answer_characters = len(rows) * ANSWER_TOKENS * CHARACTERS_PER_TOKEN
    if not answered:
        answer_characters = sum(len(row.safe or "") for row in rows)
    for code in recipe.languages:
        if isinstance(translator, DocumentTranslator):
            segments, cached = translator.pending(texts, recipe.dominant, code)
            to_come = len(rows) * max(1, ANSWER_TOKENS // SEGMENT_TOKENS) if answered else 0
            known, coming = sum(map(len, segments)), to_come * SEGMENT_TOKENS * CHARACTERS_PER_TOKEN
            back = answer_characters if recipe.round_trip else 0  # the chosen answers, translated back
            tokens = (known + coming + back) // CHARACTERS_PER_TOKEN
            works[code] = StageCost(len(segments) + cached + to_come, cached, tokens, known + coming + back)
        else:  # translators that answer or sample rather than translate: one answer or more a row
            works[code] = StageCost(len(rows), 0, len(rows) * min(ANSWER_TOKENS, recipe.sampling.max_tokens))
    return works
