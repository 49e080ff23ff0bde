"""Whole sides translated segment by segment: nothing lost, nothing translated twice, every failure named.

text -> clean -> pieces -> unique segments -> journal or translator -> checks -> another way -> pieces -> text
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from mpodata.errors import ModelError, RemoteError
from mpodata.languages import language as language_of
from mpodata.languages.text import storable
from mpodata.records import FIELDS, Dropped, Side
from mpodata.runtime.fingerprint import constants_hash
from mpodata.runtime.journal import Journal, result_key
from mpodata.runtime.processes import Mapper, serial
from mpodata.translators import SentenceTranslator, Translator
from mpodata.translators.checks import faults_of
from mpodata.translators.second import Second
from mpodata.translators.segments import (
    Piece,
    around_items,
    clean,
    cut,
    halves,
    limit_of,
    pieces,
    trimmed,
)
from mpodata.translators.unknown import around_unknown

TASK: Final = "translate"  # its results' name in the journal
CARRYING: Final = 1  # of the code that splits, checks and retries: bump when it changes a result; rules are hashed
RULES: Final = tuple(f"mpodata.translators.{name}" for name in ("document", "segments", "checks", "unknown"))

LONGEST_FIELD: Final = 50_000  # characters; a longer field is a damaged row or a book, and costs hours
DEPTH: Final = 3  # how often a segment that fails may be cut smaller

SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

# Scripts that put no space between sentences.
UNSPACED: Final = {"han", "kana"}

FINAL: Final = {"service", "untranslatable"}  # reasons that neither another decoding nor a smaller segment can mend
TOO_LONG: Final = {"truncated"}  # reasons that only a smaller segment can mend
# reasons that a smaller segment does not mend
WHOLE: Final = {"refused-to-translate", "not-a-translation", "no-closing-tag"}
LOST: Final = {"lost-item", "lost-number"}  # reasons mended by translating around what was lost


class DocumentTranslator(Translator):
    """A Translator made of a SentenceTranslator."""

    def __init__(
        self,
        translator: SentenceTranslator,
        *,
        dominant: str = "en",
        journal: Journal | None = None,
        progress: Callable[[int], None] = lambda _: None,
        longest_field: int = LONGEST_FIELD,
        name: str = "",
        second: Second | None = None,
    ) -> None:
        """name: what a row says of each field translated here, where it must; second: who takes what fails here."""
        self.translator, self.name, self.second = translator, name, second
        self.dominant = dominant
        self.journal = Journal(":memory:") if journal is None else journal
        self.progress = progress  # told how many segments were finished
        self.longest_field = longest_field
        self.mapper: Mapper = serial  # runs the checks of segments; a build may put a pool of processes here

    def provenance(self) -> dict[str, Any]:
        rules = constants_hash(*RULES)  # the patterns and limits that decide how a text is cut and checked
        second = {} if self.second is None else {"fallback": self.second.provenance()}
        return {**self.translator.provenance(), "carrying": CARRYING, "rules": rules, **second}

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """One result per side, in order; a field that cannot be translated drops its side with the reason."""
        fields = [getattr(side, name) for side in sides for name in FIELDS]
        translated = self._named_texts(fields, self.dominant, language)
        rows = [translated[start : start + len(FIELDS)] for start in range(0, len(translated), len(FIELDS))]
        return [_side(row, language) for row in rows]

    def check_languages(self, languages: Sequence[str]) -> None:
        for code in (self.dominant, *languages) if self.translator.languages_at_hand else ():
            self.translator.check_language(code)
        if self.second is not None:
            self.second.translator.check_languages(languages)

    def ready(self, prompts: Sequence[str], languages: Sequence[str]) -> None:
        """A remote service is asked for the first prompt that is not in the journal; the result stays there."""
        self.translator.check_installed()
        for code in (self.dominant, *languages):
            self.translator.check_language(code)
        if self.second is not None:
            self.second.translator.ready(prompts, languages)
        for code in languages if self.translator.remote else ():
            missing = next((text for text in prompts if self.pending([text], self.dominant, code)[0]), None)
            result = self.texts([missing], self.dominant, code)[0] if missing is not None else ""
            if isinstance(result, Dropped) and result.reason == "service":
                raise RemoteError(
                    f"The translator {self.translator.provenance().get('name')} cannot be reached ({result.detail}). "
                    "Nothing was answered or paid for; run the same command when it is back."
                )

    def map_with(self, mapper: Mapper) -> None:
        self.mapper = mapper
        if self.second is not None:
            self.second.translator.map_with(mapper)

    def back(self, texts: Sequence[str], language: str) -> list[str | Dropped]:
        """Texts in `language` translated into the dominant language: the round trip that chrF is measured on."""
        return self.texts(texts, language, self.dominant)

    def texts(self, texts: Sequence[str], source: str, target: str) -> list[str | Dropped]:
        """Whole texts from one language into another, in order."""
        return [text for text, _ in self._named_texts(texts, source, target)]

    def _named_texts(self, texts: Sequence[str], source: str, target: str) -> list[tuple[str | Dropped, str]]:
        """The same, each with the name of who translated it: "llm", or "llm+nllb-600m" where both did."""
        plans = self._readable(self._plans(texts, source, target))
        wanted = _segments(plans)
        translated = dict(zip(wanted, self._through(wanted, source, target), strict=True))
        replaced = {} if self.second is None else self.second.replacements(translated, source, target)
        translated |= replaced
        results = [plan if isinstance(plan, Dropped) else _joined(plan, translated, source, target) for plan in plans]
        return [(result, self._names(plan, replaced)) for result, plan in zip(results, plans, strict=True)]

    def _names(self, plan: list[Piece] | Dropped, replaced: Mapping[str, str | Dropped]) -> str:
        if self.second is None or isinstance(plan, Dropped):
            return self.name
        by_second = {piece.text in replaced for piece in plan if piece.translate}
        names = {self.name: False in by_second or not by_second, self.second.name: True in by_second}
        return "+".join(name for name, present in names.items() if present)

    def pending(self, texts: Sequence[str], source: str, target: str) -> tuple[list[str], int]:
        """The distinct segments of `texts` that are still to be translated, and how many are not; loads no model."""
        wanted = _segments(self._plans(texts, source, target))
        keys = {segment: result_key(TASK, self._spec(source, target), segment) for segment in wanted}
        cached = self.journal.lookup(keys.values())
        missing = [segment for segment, key in keys.items() if key not in cached]
        return missing, len(wanted) - len(missing)

    def _plans(self, texts: Sequence[str], source: str, target: str) -> list[list[Piece] | Dropped]:
        language_of(source), language_of(target)  # an unknown code is said before anything is translated
        unit, longest = self.translator.unit, self.translator.max_segment
        return [
            _untranslatable(text, self.longest_field) or pieces(clean(text), source, longest=longest, unit=unit)
            for text in texts
        ]

    def _readable(self, plans: list[list[Piece] | Dropped]) -> list[list[Piece] | Dropped]:
        """The plans cut around what the translator's vocabulary lacks."""
        wanted = _segments(plans)
        unknown = dict(zip(wanted, self.translator.unknown(wanted), strict=True))
        if not any(unknown.values()):
            return plans
        return [
            plan
            if isinstance(plan, Dropped)
            else around_unknown(plan, [unknown[piece.text] if piece.translate else "" for piece in plan])
            for plan in plans
        ]

    def _spec(self, source: str, target: str) -> dict[str, Any]:
        """What a segment's translation depends on, as journals have it since the first version: rules do not count."""
        return {**self.translator.provenance(), "carrying": CARRYING, "source": source, "target": target}

    def _through(self, segments: list[str], source: str, target: str) -> list[str | Dropped]:
        results = self.journal.through(
            TASK,
            self._spec(source, target),
            segments,
            lambda part: [_recorded(result) for result in self._translated(part, source, target)],
            block=self.translator.block,
            keep=lambda result: isinstance(result, str) or result["dropped"] != "service",
            done=self.progress,
        )
        return [
            storable(result) if isinstance(result, str) else Dropped(result["dropped"], result["detail"])
            for result in results
        ]

    def _translated(self, texts: list[str], source: str, target: str, depth: int = 0) -> list[str | Dropped]:
        """Every text translated and checked; what fails is decoded another way, then cut smaller, then given up."""
        results = self._checked(texts, source, target, attempt=0)
        again = [at for at, r in enumerate(results) if _fails(r, but=FINAL | TOO_LONG)]
        for at, result in zip(
            again, self._checked([texts[at] for at in again], source, target, attempt=1), strict=True
        ):
            if isinstance(result, str) or result.reason == "service":  # not asked: the next run tries again
                results[at] = result
        smaller = [at for at, r in enumerate(results) if _fails(r, but=FINAL | WHOLE)] if depth < DEPTH else []
        for at, result in self._smaller(texts, results, smaller, source, target, depth):
            if isinstance(result, str) or result.reason in FINAL:
                results[at] = result
        return results

    def _smaller(
        self,
        texts: list[str],
        results: list[str | Dropped],
        failed: list[int],
        source: str,
        target: str,
        depth: int,
    ) -> list[tuple[int, str | Dropped]]:
        """What failed, translated in parts and checked as a whole; nothing for a text that cannot be cut."""
        longest = self.translator.max_segment
        plans = {at: _parts(texts[at], _reason(results[at]), source, longest) for at in failed}
        plans = {at: plan for at, plan in plans.items() if [p.text for p in plan if p.translate] != [texts[at]]}
        wanted = list(dict.fromkeys(p.text for plan in plans.values() for p in plan if p.translate))
        if not wanted:
            return []
        translated = dict(zip(wanted, self._translated(wanted, source, target, depth + 1), strict=True))
        joined = [_joined(plan, translated, source, target) for plan in plans.values()]
        return list(zip(plans, self._sound([texts[at] for at in plans], joined, source, target), strict=True))

    def _checked(self, texts: list[str], source: str, target: str, *, attempt: int) -> list[str | Dropped]:
        if not texts:
            return []
        results = self.translator.segments(texts, source, target, attempt=attempt)
        if len(results) != len(texts):
            raise ModelError(
                f"The translator {self.translator.provenance().get('name')} answered {len(texts)} segments with "
                f"{len(results)}; nothing of this block was kept."
            )
        return self._sound(texts, results, source, target)

    def _sound(
        self, texts: Sequence[str], results: Sequence[str | Dropped], source: str, target: str
    ) -> list[str | Dropped]:
        """The results with each faulty translation replaced by the reason it is."""
        given = [at for at, result in enumerate(results) if isinstance(result, str)]
        pairs = [(texts[at], str(results[at])) for at in given]
        reasons = self.mapper(partial(faults_of, source=source, target=target), pairs)
        checked = list(results)
        for at, reason in zip(given, reasons, strict=True):
            checked[at] = Dropped(reason) if reason else storable(str(results[at])).strip()
        return checked


def _parts(text: str, reason: str, language: str, longest: int) -> list[Piece]:
    """A failing segment cut smaller: around what was lost, else in halves."""
    if reason in LOST:
        return around_items(text)
    if reason == "lost-newlines":
        return pieces(text, language, longest=longest, unit="line")
    limit = limit_of(longest, language)
    parts = cut(text, limit // 2) if reason in TOO_LONG and len(text) > limit else halves(text)
    return [piece for part in parts for piece in trimmed(part)]


def _segments(plans: Sequence[list[Piece] | Dropped]) -> list[str]:
    """What is to be translated, each segment once."""
    kept = (plan for plan in plans if not isinstance(plan, Dropped))
    return list(dict.fromkeys(piece.text for plan in kept for piece in plan if piece.translate))


def _joined(plan: Sequence[Piece], translated: dict[str, str | Dropped], source: str, target: str) -> str | Dropped:
    """The pieces put together, each translated where it should be; the first that could not be drops the whole."""
    texts: list[str] = []
    from_unspaced = language_of(source).script in UNSPACED
    to_unspaced = language_of(target).script in UNSPACED
    for at, piece in enumerate(plan):
        between = 0 < at < len(plan) - 1 and plan[at - 1].translate and plan[at + 1].translate
        if not piece.translate:
            texts.append("" if to_unspaced and between and piece.text == " " else piece.text)
            continue
        result = translated[piece.text]
        if isinstance(result, Dropped):
            return result
        if from_unspaced and not to_unspaced and at and plan[at - 1].translate:
            texts.append(" ")
        texts.append(result)
    return "".join(texts)


def _untranslatable(text: str, longest: int) -> Dropped | None:
    if len(text) > longest:
        return Dropped("too-long", f"{len(text)} characters; the limit is {longest}")
    if SURROGATE.search(text):
        return Dropped("untranslatable", "holds a lone surrogate, which is no character")
    if not clean(text).strip():
        return Dropped("empty", "nothing is left to translate")
    return None


def _side(fields: Sequence[tuple[str | Dropped, str]], language: str) -> Side | Dropped:
    """fields: each text with the name of who translated it, empty where rows need not say."""
    for name, (field, _) in zip(FIELDS, fields, strict=True):
        if isinstance(field, Dropped):
            return Dropped(field.reason, f"{name}: {field.detail}" if field.detail else name)
    (prompt, by), (chosen, chosen_by), (rejected, rejected_by) = fields
    names = (by, chosen_by, rejected_by)
    return Side(language, str(prompt), str(chosen), str(rejected), translators=names if any(names) else None)


def _recorded(result: str | Dropped) -> str | dict[str, str]:
    return result if isinstance(result, str) else {"dropped": result.reason, "detail": result.detail}


def _fails(result: str | Dropped, but: set[str]) -> bool:
    return isinstance(result, Dropped) and result.reason not in but


def _reason(result: str | Dropped) -> str:
    return result.reason if isinstance(result, Dropped) else ""
