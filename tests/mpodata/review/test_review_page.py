"""The review page in a real browser: 50 rows read with the keyboard, a kill in the middle, two tabs, a phone."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpodata.cli import main
from mpodata.records import COUNTERWEIGHT
from mpodata.versions.load import load
from mpodata.versions.schema import Row
from tests.mpodata.readable_version import side, write_readable

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium here to open the page in", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn")

ROWS = 50  # train rows; two test rows follow


class Review:
    """`mpodata review` as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and return the page's address."""
        words = ["review", "demo", "--languages", "sw", "--no-checks", *self.options]
        command = [sys.executable, "-c", "import sys; from mpodata.cli import main; sys.exit(main())", *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if match := re.match(r"Open (http://127\.0\.0\.1:\d+/\S+/)$", line):
                return match[1]
        raise AssertionError(f"no address among {lines}")

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process = None
        return code


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version") / "demo"
    write_readable(folder, count=ROWS)
    return folder


@pytest.fixture
def review(version: Path, tmp_path: Path) -> Iterator[Review]:
    shutil.copytree(version, tmp_path / "demo")
    made = Review(tmp_path, "--reader", "amina")
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


def open_page(browser: Any, address: str, **options: Any) -> Any:
    page = browser.new_context(**options).new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#row:not([hidden])")
    return page


def at_row(page: Any, number: int) -> None:
    """Wait until the page shows a row, counted from 0."""
    page.wait_for_selector(f"#place:has-text('Row {number + 1} of')")


def saved(page: Any, number: int) -> None:
    page.wait_for_selector(f"#status:has-text('Row {number + 1}: ')")


def judge(page: Any, number: int) -> None:
    """By the keyboard alone: every fifth row the same decision."""
    at_row(page, number)
    kind = number % 5
    if kind == 0:
        page.keyboard.press("a")
    elif kind == 1:
        page.keyboard.press("e")
    elif kind == 2:  # the harmful texts first: then all three can be corrected
        page.keyboard.press("h")
        page.wait_for_selector("#reveal", state="hidden")
        page.keyboard.press("c")
        page.fill("#edit-chosen", f"Siwezi kusaidia na hilo kabisa. ({number})")
        page.fill("#edit-rejected", f"Fanya hivi kwanza. ({number})")
        page.keyboard.press("Control+Enter")
        page.keyboard.press("2")
    elif kind == 3:
        page.keyboard.press("d")
        page.keyboard.press("1")
    else:
        page.keyboard.press("d")
        page.keyboard.press("7")
    saved(page, number)


def expected(rows: list[Row], config: str) -> list[Any]:
    """The next version's rows, from the plan of `judge`."""
    gone = {row.pair_id for number, row in enumerate(rows[:ROWS]) if number % 5 == 4}
    kept = []
    for number, row in enumerate(rows):
        texts: dict[str, str] = {}
        if config == "nllb-600m.sw" and number < ROWS:
            if number % 5 == 3:
                continue
            if number % 5 == 2:
                texts = {"chosen": f"Siwezi kusaidia na hilo kabisa. ({number})"}
                texts["rejected"] = f"Fanya hivi kwanza. ({number})"
        if row.pair_id not in gone:
            answers = {name: texts.get(name, getattr(row.side, name)) for name in ("chosen", "rejected")}
            kept.append((row.pair_id, row.side.prompt, answers["chosen"], answers["rejected"]))
    return kept


@pytest.mark.slow
def test_fifty_rows_read_with_a_kill_between_give_exactly_that_next_version(
    review: Review, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser, review.start())
    for number in range(20):
        judge(page, number)
    at_row(page, 20)
    review.stop(signal.SIGKILL)
    page.keyboard.press("a")  # nobody is there to keep it
    page.wait_for_selector("#alert:has-text('does not answer')")
    assert page.faults == []
    page = open_page(browser, review.start())
    assert page.text_content("#counts").startswith("20 of 52 judged: 8 accepted, 4 corrected, 8 dropped")
    for number in range(20, ROWS):
        judge(page, number)
    assert page.faults == []
    assert review.stop(signal.SIGINT) == 0

    words = ["apply-review", str(tmp_path / "demo"), "--reviews", str(tmp_path / "demo-reviews")]
    assert main([*words, "--out", str(tmp_path / "next")]) == 0
    assert main(["verify", str(tmp_path / "next")]) == 0
    before, after = load(tmp_path / "demo"), load(tmp_path / "next")
    for config in before.manifest.configs:
        rows = [row for split in before.splits() for row in before.rows(config, split)]
        made = [
            (row.pair_id, row.side.prompt, row.side.chosen, row.side.rejected)
            for split in after.splits()
            for row in after.rows(config, split)
        ]
        assert made == expected(rows, config)
    assert after.manifest.configs["nllb-600m.sw"].rows == 32
    assert after.manifest.configs["en"].rows == 42


def test_two_tabs_of_one_reader(review: Review, browser: Any) -> None:
    address = review.start()
    first, second = open_page(browser, address), open_page(browser, address)
    judge(first, 0)
    at_row(first, 1)
    at_row(second, 0)
    second.keyboard.press("d")
    second.keyboard.press("1")
    saved(second, 0)
    alert = second.text_content("#alert")
    assert "Row 1 had been accepted elsewhere meanwhile (good)" in alert
    at_row(second, 1)
    assert second.text_content("#counts").startswith("1 of 52 judged: 0 accepted, 0 corrected, 1 dropped")
    judge(first, 1)
    second.bring_to_front()
    second.evaluate("window.dispatchEvent(new Event('focus'))")
    second.wait_for_selector("#decision:has-text('You accepted this row')")
    second.keyboard.press("u")  # back to open, from the other tab
    saved(second, 1)
    assert second.text_content("#counts").startswith("1 of 52 judged")
    lines = (review.folder / "demo-reviews" / "amina.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 4


@pytest.mark.slow
def test_two_readers_see_their_agreement(review: Review, browser: Any) -> None:
    page = open_page(browser, review.start())
    for number in range(5):
        judge(page, number)
    review.stop(signal.SIGTERM)
    other = Review(review.folder, "--reader", "baraka")
    page = open_page(browser, other.start())
    for number in range(4):
        at_row(page, number)
        page.keyboard.press("a")
        saved(page, number)
    page.click("summary:has-text('Readers')")
    page.wait_for_selector("#agreement td")
    assert page.locator("#agreement tbody").inner_text().split("\t") == ["amina", "4", "50.0 %", "0.00"]
    page.select_option("#filter", "disagreed")
    at_row(page, 2)
    page.keyboard.press("Escape")
    page.locator("#next").click()
    at_row(page, 3)
    other.stop(signal.SIGKILL)


def test_on_a_phone_by_touch_with_harmful_text_behind_a_tap(review: Review, browser: Any) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    page = open_page(browser, review.start(), **phone)
    page.tap("#next")
    at_row(page, 1)
    harmful = side("sw", 1)
    assert harmful.rejected not in page.content()
    assert harmful.prompt not in page.content()
    page.tap("#reveal")
    page.wait_for_selector(f"text={harmful.rejected}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for button in ("#accept", "#understandable", "#correct", "#drop", "#previous", "#next"):
        box = page.locator(button).bounding_box()
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    page.tap("#correct")
    page.fill("#edit-chosen", "Samahani, siwezi.")
    page.tap("#save")
    page.tap("#reasons button:nth-child(1)")
    saved(page, 1)
    assert harmful.rejected not in page.content()  # the next row hides its own again
    page.tap("#drop")
    page.tap("#reasons b:text-is('other')")
    page.wait_for_selector("#status:has-text('Write the reason into the note')")
    page.fill("#note", "Twice the same.")
    page.tap("#reasons b:text-is('other')")
    saved(page, 2)
    assert page.text_content("#counts").startswith("2 of 52 judged: 0 accepted, 1 corrected, 1 dropped")
    assert page.faults == []


def test_texts_are_shown_and_never_run(tmp_path: Path, browser: Any) -> None:
    from mpodata.versions.write import VersionWriter
    from tests.mpodata.readable_version import rows
    from tests.mpodata.small_versions import facts

    attack = "<img src=x onerror=document.title='run'></textarea><script>document.title='run'</script>"
    with VersionWriter(tmp_path / "demo") as writer:
        (english, *_), (swahili, *_) = rows("en", 1), rows("sw", 1)
        bad = replace(swahili, side=replace(swahili.side, prompt=attack, chosen=f"{attack} 2"), category=COUNTERWEIGHT)
        writer.add("en", "train", [english])
        writer.add("nllb-600m.sw", "train", [bad])
        writer.finish(facts())
    review = Review(tmp_path, "--reader", "amina")
    page = open_page(browser, review.start())
    assert page.locator(".target .text").first.inner_text() == attack
    page.keyboard.press("c")
    assert page.input_value("#edit-prompt") == attack
    page.wait_for_timeout(200)
    assert page.title() == "Review of demo"
    review.stop(signal.SIGKILL)
