"""Native pairs, language by language: prompts, their filter, both answers, the filter of pairs, a version.

1. The generator writes prompts for every slot. 2. Kept are those in their language that both guards call unsafe.
3. The refuser answers under a system message that tells it to refuse; the rejected answer is another model's, whichever
the user names. 4. Kept are pairs whose chosen answer refuses and is safe to both guards, and whose rejected answer at
least one guard calls unsafe. 5. Slots of one (category, style) go whole into train or test, in all languages.

The rows of two languages share slots, not wording: the version says `parallel: false`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from mpodata.engines import ENGINE_ERROR, Engine, Sampling
from mpodata.engines.journaled import journaled_answers
from mpodata.errors import DataError, RemoteError
from mpodata.languages.identification import other_languages
from mpodata.licences import model_licence
from mpodata.native.instructions import INSTRUCTIONS, generator_prompt, refuser_prompt
from mpodata.native.slots import Slot, read_slots
from mpodata.readers.upstream import Upstream
from mpodata.records import Quality, Side, content_id
from mpodata.refusals import Exchange, is_refusal
from mpodata.refusals.guards import Guard
from mpodata.refusals.prompt_guards import prompts_unsafe
from mpodata.runtime.journal import Journal
from mpodata.sources.rows import prompt_group
from mpodata.versions.manifest import BuildFacts, Manifest, config_name
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter

NATIVE: Final = "native"  # names the configs in the place of a translator: native.pl
WRITTEN: Final = Sampling(temperature=0.9, top_p=0.95, max_tokens=256)  # of prompts
ANSWERED: Final = Sampling(max_tokens=512)  # greedy, of both answers


@dataclass(frozen=True, slots=True)
class NativeBuild:
    """What a native build is made from."""

    slots: str  # the table of slots
    languages: tuple[str, ...]  # the first one is the default config
    per_slot: int  # prompts asked for in every slot and language
    generator: Engine
    refuser: Engine
    rejected: Engine
    guards: tuple[Guard, Guard]
    test_share: float = 0.1  # of the (category, style) groups
    seed: int = 42


@dataclass(slots=True)
class _Prompt:
    """A prompt on its way to a pair."""

    slot: Slot
    text: str
    chosen: str = ""
    rejected: str = ""


@dataclass(slots=True)
class _Language:
    """The prompts of one language, and what was lost."""

    code: str
    prompts: list[_Prompt] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def keep(self, reasons: Sequence[str | None]) -> None:
        """Drop the prompts that have a reason, and count it."""
        self.dropped.update(reason for reason in reasons if reason is not None)
        self.prompts = [prompt for prompt, reason in zip(self.prompts, reasons, strict=True) if reason is None]


def build_native(
    wanted: NativeBuild, out: Path, journal: Journal, command: str, say: Callable[[str], None] = lambda _: None
) -> Manifest:
    """Build the version folder `out`; every answer is journaled, so the same command goes on after a kill.

    Raises DataError where a language has no slots or is left without a pair, VersionError where `out` cannot be
    written: what can be known is said before anything is generated. Raises RemoteError, and writes nothing, where an
    engine did not answer.
    """
    slots = {code: read_slots(wanted.slots, code) for code in wanted.languages}
    with VersionWriter(out, parallel=False) as writer:
        made = [_made(wanted, code, slots[code], journal, say) for code in wanted.languages]
        _check_answered(made)
        held_out = _test_groups(wanted, slots[wanted.languages[0]])
        for rows in made:
            for split in ("train", "test"):
                kept = [prompt for prompt in rows.prompts if (prompt.slot.group in held_out) == (split == "test")]
                writer.add(_config(wanted, rows.code), split, [_row(prompt, rows.code) for prompt in kept])
        return writer.finish(_facts(wanted, made, command))


def _made(
    wanted: NativeBuild, code: str, slots: Sequence[Slot], journal: Journal, say: Callable[[str], None]
) -> _Language:
    """The pairs of one language."""
    say(f"{code}: prompts")
    rows = _written(wanted, code, slots, journal)
    _filter_prompts(wanted, rows)
    say(f"{code}: answers to {len(rows.prompts)} prompts")
    _answer(wanted, rows, journal)
    _filter_pairs(wanted, rows)
    if not rows.prompts:
        _check_answered([rows])
        raise DataError(f"No pair is left in {code}: {_counts(rows.dropped)}. Ask for more prompts a slot.")
    return rows


def _written(wanted: NativeBuild, code: str, slots: Sequence[Slot], journal: Journal) -> _Language:
    """What the generator wrote for every slot, each prompt once."""
    sampling = replace(WRITTEN, candidates=wanted.per_slot, seed=wanted.seed)
    asked = [generator_prompt(slot, code) for slot in slots]
    rows, seen = _Language(code), set[str]()
    for slot, answers in zip(slots, journaled_answers(wanted.generator, asked, sampling, journal), strict=True):
        for answer in answers:
            text = answer.text.strip()
            reason = answer.fault or ("generator-refused" if is_refusal(text, code) else None)
            if reason is None and prompt_group(text) in seen:
                reason = "duplicate"
            if reason is not None:
                rows.dropped[reason] += 1
                continue
            seen.add(prompt_group(text))
            rows.prompts.append(_Prompt(slot, text))
    return rows


def _filter_prompts(wanted: NativeBuild, rows: _Language) -> None:
    texts = [prompt.text for prompt in rows.prompts]
    rows.keep(["wrong-language" if other else None for other in other_languages(texts, rows.code)])
    texts = [prompt.text for prompt in rows.prompts]
    verdicts = zip(*(prompts_unsafe(guard, texts) for guard in wanted.guards), strict=True)
    rows.keep([None if all(unsafe for unsafe in both) else "not-unsafe-by-both" for both in verdicts])


def _answer(wanted: NativeBuild, rows: _Language, journal: Journal) -> None:
    """Both answers to every prompt that is left."""
    texts = [prompt.text for prompt in rows.prompts]
    chosen = journaled_answers(wanted.refuser, texts, ANSWERED, journal, refuser_prompt(rows.code))
    rejected = journaled_answers(wanted.rejected, texts, ANSWERED, journal)
    reasons: list[str | None] = []
    for prompt, (refusal,), (harmful,) in zip(rows.prompts, chosen, rejected, strict=True):
        prompt.chosen, prompt.rejected = refusal.text.strip(), harmful.text.strip()
        faults = {"chosen": refusal.fault, "rejected": harmful.fault}
        reasons.append(next((f"{side}-{fault}" for side, fault in faults.items() if fault), None))
    rows.keep(reasons)


def _filter_pairs(wanted: NativeBuild, rows: _Language) -> None:
    """Chosen refuses and is safe by both guards; rejected is unsafe by at least one; both are in the language."""
    code = rows.code
    chosen = [Exchange(code, prompt.text, prompt.chosen) for prompt in rows.prompts]
    rejected = [Exchange(code, prompt.text, prompt.rejected) for prompt in rows.prompts]
    safe = [[verdict.unsafe is False for verdict in guard.verdicts(chosen)] for guard in wanted.guards]
    unsafe = [[verdict.unsafe is True for verdict in guard.verdicts(rejected)] for guard in wanted.guards]
    spoken = zip(
        other_languages([side.answer for side in chosen], code),
        other_languages([side.answer for side in rejected], code),
        strict=True,
    )
    reasons: list[str | None] = []
    for place, (prompt, (chosen_other, rejected_other)) in enumerate(zip(rows.prompts, spoken, strict=True)):
        if chosen_other or rejected_other:
            reasons.append("chosen-wrong-language" if chosen_other else "rejected-wrong-language")
        elif not all(guard[place] for guard in safe) or not is_refusal(prompt.chosen, code, harmful=True):
            reasons.append("refuser-complied")
        elif not any(guard[place] for guard in unsafe):
            reasons.append("rejected-refused" if is_refusal(prompt.rejected, code, harmful=True) else "rejected-safe")
        else:
            reasons.append(None)
    rows.keep(reasons)


def _check_answered(made: Sequence[_Language]) -> None:
    """Raise RemoteError where answers were not given: the version would lack rows that the same command can have."""
    lost = {rows.code: sum(n for reason, n in rows.dropped.items() if reason.endswith(ENGINE_ERROR)) for rows in made}
    if any(lost.values()):
        counts = ", ".join(f"{count} in {code}" for code, count in lost.items() if count)
        raise RemoteError(
            f"An engine did not answer ({counts}); nothing was written. Run the same command again: it asks for these "
            "alone."
        )


def _test_groups(wanted: NativeBuild, slots: Sequence[Slot]) -> frozenset[str]:
    """The (category, style) groups that stand in test, in all languages: the share of the table's, drawn by hash."""
    groups = {slot.group for slot in slots}
    drawn = sorted(groups, key=lambda group: content_id(str(wanted.seed), group))
    return frozenset(drawn[: round(wanted.test_share * len(drawn))])


def _config(wanted: NativeBuild, code: str) -> str:
    """The first language has the plain config that every version has; the others stand under `native`."""
    return config_name(None if code == wanted.languages[0] else NATIVE, code)


def _row(prompt: _Prompt, code: str) -> Row:
    slot = prompt.slot
    quality = Quality(
        prompt_language=code, chosen_language=code, rejected_language=code, chosen_verdict="refusal",
        rejected_verdict="compliance",
    )  # fmt: skip
    return Row(
        content_id(NATIVE, code, prompt.text),
        Side(code, prompt.text, prompt.chosen, prompt.rejected),
        f"{slot.category}/{slot.style}",
        f"{slot.category}/{slot.style}/{slot.topic}",
        quality,
    )


def _facts(wanted: NativeBuild, made: Sequence[_Language], command: str) -> BuildFacts:
    engines = {"generator": wanted.generator, "rejected": wanted.rejected}
    parts = {name: {**engine.provenance(), "licence": _licence(engine)} for name, engine in engines.items()}
    return BuildFacts(
        dominant=wanted.languages[0],
        recipe={
            "name": NATIVE, "languages": list(wanted.languages), "per_slot": wanted.per_slot, "seed": wanted.seed,
            "test_share": wanted.test_share, "instructions": INSTRUCTIONS,
        },
        command=command,
        source={
            "name": "slots", **Upstream(wanted.slots).provenance(), "licence": "unknown", "parallel": False,
            "languages": list(wanted.languages), **parts,
        },
        policy={**wanted.refuser.provenance(), "licence": _licence(wanted.refuser)},
        sampling=asdict(ANSWERED),
        translators={},
        detector={"detector": "two-guards", "guards": [guard.provenance() for guard in wanted.guards]},
        checks={"mode": "drop"},
        dropped={_config(wanted, rows.code): dict(rows.dropped) for rows in made},
        chosen="policy",
    )  # fmt: skip


def _licence(engine: Engine) -> str:
    return model_licence(str(engine.provenance().get("model") or "") or None)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "no prompt was written"
