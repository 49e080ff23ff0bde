"""The measured figures as a section of the page of results, between its two markers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from calibration.faults import FAULTS
from calibration.measure import CORRECT, EASY_SHARE, Measured
from mpodata.languages import languages

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- quality checks: scripts/calibrate_quality.py -->", "<!-- end of quality checks -->"
NAMES = ("correct", *FAULTS)
GOALS = {  # the worst rate that is not marked, of rows of ten sentences
    "correct": 0.01, "half-missing": 0.95, "third-missing": 0.90, "lost-newlines": 0.99, "chosen-shuffled": 0.85,
}  # fmt: skip
SECTIONS = {  # title -> shape of the rows, collection (None: all together)
    "Rows of one sentence": ("1 sentence", None),
    "Rows of ten sentences, one field hit": ("answers", None),
    "Rows of ten paragraphs of the Universal Declaration of Human Rights, one field hit": ("answers", "udhr"),
}
INTRODUCTION = """Measured on {date} on text that the fit never reads: NTREX documents of publishers it has not seen,
Tatoeba blocks and TICO-19 documents it has not seen, and collections it never opens (the Universal Declaration of Human
Rights, Alpagasus, UltraFeedback, MultiJail, PolyRefuse, MGSM, Alpaca-safe; which of them depends on the language).
`correct` is the share of correct rows that were dropped; every other column is the share of rows dropped after that
fault was put in: half-missing, third-missing and the shuffled ones in one of {correct} of those rows, the others, which
are found nearly always, in one of {easy}. In percent; **bold**: worse than the goal ({goals}).
"""


def write_page(measured: Mapping[str, Measured], page: Path = PAGE) -> None:
    """Replace what stands between the markers of `page`."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    goals = ", ".join(
        f"{name} {'at most' if name == 'correct' else 'at least'} {100 * g:g}" for name, g in GOALS.items()
    )
    text = INTRODUCTION.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}", goals=goals, correct=CORRECT, easy=CORRECT * EASY_SHARE
    )
    sections = "".join(_section(title, shape, collection, measured) for title, (shape, collection) in SECTIONS.items())
    page.write_text(f"{before}{BEGIN}\n{text}{sections}{END}{after}", encoding="utf-8")


def _section(title: str, shape: str, collection: str | None, measured: Mapping[str, Measured]) -> str:
    lines = [
        f"\n### {title}\n",
        "| language | rows | " + " | ".join(NAMES) + " |",
        "|---|" + "---:|" * (len(NAMES) + 1),
    ]
    for code, rates_of in measured.items():
        rates = {name: rates_of.rate(shape, name, collection) for name in NAMES}
        if rates["correct"][1]:
            cells = [_cell(name, rate, marked=shape == "answers") for name, (rate, _) in rates.items()]
            lines.append(f"| {languages()[code].name} | {rates['correct'][1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(name: str, rate: float | None, *, marked: bool) -> str:
    if rate is None:
        return ""
    percent = f"{100 * rate:.1f}"
    goal = GOALS.get(name)
    if not marked or goal is None:
        return percent
    missed = rate > goal if name == "correct" else rate < goal
    return f"**{percent}**" if missed else percent
