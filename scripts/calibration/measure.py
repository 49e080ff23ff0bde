"""What the checks drop of one language's held-out text: correct rows, and rows after each injected fault."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from calibration.corpora import Corpus, Folders, held_out
from calibration.faults import FAULTS, Material
from calibration.rows import ANSWERS, answer_rows, sentence_rows
from mpodata.languages import languages
from mpodata.quality import checks, measure_many
from mpodata.records import Pair

CORRECT = 6  # correct rows for each row that a fault is put in
EASY = ("untranslated", "wrong-language", "looping", "lost-newlines", "leftover-entities")  # found in nearly every row
EASY_SHARE = 4  # such faults are put in one of so many of the rows that the others are put in
SHAPES = ("1 sentence", "answers")
OTHERS = {"latin": "th", "other": "vi"}  # whose text stands for a wrong language


@dataclass
class Measured:
    """Counts of one language: (shape, collection) -> rows tried and dropped by fault, and reasons of correct rows."""

    language: str
    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    reasons: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def rate(self, shape: str, fault: str, collection: str | None = None) -> tuple[float | None, int]:
        """Share of rows dropped, of one collection or of all together, and of how many."""
        counts = (c for (s, name), c in self.counts.items() if s == shape and collection in (None, name))
        total = sum(counts, Counter[str]())
        rows = total[f"{fault} rows"]
        return (total[f"{fault} dropped"] / rows if rows else None), rows

    def lines(self) -> list[str]:
        """For the terminal."""
        lines = [f"{'':28}{'rows':>6}{'correct':>9}" + "".join(f"{name[:14]:>15}" for name in FAULTS)]
        for (shape, name), counts in self.counts.items():
            rates = [_percent(counts[f"{fault} dropped"], counts[f"{fault} rows"]) for fault in FAULTS]
            correct = _percent(counts["correct dropped"], counts["correct rows"])
            reasons = ", ".join(f"{reason} {n}" for reason, n in self.reasons[shape, name].most_common())
            lines.append(
                f"{self.language} {name:13}{shape:12}{counts['correct rows']:>6}{correct:>9}"
                + "".join(f"{rate:>15}" for rate in rates)
                + (f"   correct rows: {reasons}" if reasons else "")
            )
        return lines


def _percent(dropped: int, rows: int) -> str:
    return f"{100 * dropped / rows:.2f}" if rows else "-"


def measure_language(folders: Folders, code: str, count: int) -> Measured:
    """Every held-out collection of a language, one sentence a row and ten; each fault in `count` rows of each."""
    measured = Measured(code)
    writing = "latin" if languages()[code].script == "latin" else "other"
    others = [row for corpus in held_out(folders, OTHERS[writing]) for row in answer_rows(corpus, 50)]
    for corpus in held_out(folders, code):
        for shape in SHAPES:
            rows = _rows(shape, corpus, CORRECT * count)
            if rows:
                translated = ANSWERS if shape == "answers" else ANSWERS[:1]
                counts, reasons = _counts(rows, count, Material(rows, others, translated), translated)
                measured.counts[shape, corpus.name] = counts
                measured.reasons[shape, corpus.name] = reasons
    return measured


def _rows(shape: str, corpus: Corpus, count: int) -> list[Pair]:
    if shape == "answers":
        return answer_rows(corpus, count, seed=1)
    rows = sentence_rows(corpus)
    return random.Random(3).sample(rows, min(len(rows), count))


def _counts(
    correct: Sequence[Pair], count: int, material: Material, translated: Sequence[str]
) -> tuple[Counter[str], Counter[str]]:  # fmt: skip
    """Rows tried and dropped, correct and after each fault; and why correct rows were dropped."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    draw = random.Random(2)
    hit = draw.sample(correct, min(count, len(correct)))
    trials = {"correct": list(correct)} | {
        name: [bad for row in (hit[::EASY_SHARE] if name in EASY else hit) if (bad := inject(row, draw, material))]
        for name, inject in FAULTS.items()
        if name != "chosen-shuffled" or len(translated) > 1
    }
    for name, rows in trials.items():
        if len(translated) == 1:  # answers are compared with nothing; only the sentence itself is hit
            rows = [
                replace(r, target=replace(r.target, chosen=r.target.prompt, rejected=r.target.prompt)) for r in rows
            ]
        found = _reasons(rows, translated)
        counts[f"{name} rows"] += len(rows)
        counts[f"{name} dropped"] += sum(reason is not None for reason in found)
        if name == "correct":
            reasons.update(reason for reason in found if reason)
    return counts, reasons


def _reasons(rows: Sequence[Pair], translated: Sequence[str]) -> list[str | None]:
    among = ("en", *{row.target.language for row in rows})
    measured = measure_many([row.dominant for row in rows], [row.target for row in rows], among)
    return [
        checks.first_reason(replace(row, quality=quality), translated=translated)
        for row, quality in zip(rows, measured, strict=True)
    ]
