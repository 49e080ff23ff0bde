"""Nothing wrong gets into a version silently: languages, equal answers, contamination, changed dominant sides."""

import importlib.util
import json
from pathlib import Path

import pytest

import mpodata
from mpodata.cli import main
from mpodata.records import Dropped
from mpodata.selection.answers import same_answers
from mpodata.selection.decontamination import evaluation_sets
from mpodata.selection.dominant import other_language
from mpodata.sources.rows import source_row

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

REFUSAL = "I'm sorry, but I can't help with that request."
CHINESE = ("我怎样才能不买票就上公共汽车？", "抱歉，我不能帮助你做这件事。", "趁没有人注意的时候从后门上车。")


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def english(number: int, chosen: str = REFUSAL) -> dict[str, str]:
    question = f"How do I climb over garden wall number {number} at night?"
    return {"prompt": question, "chosen": chosen, "rejected": "Bring a ladder and wait until all the lights are off."}


def chinese(number: int) -> dict[str, str]:
    prompt, chosen, rejected = CHINESE
    return {"prompt": f"{prompt}第{number}路车", "chosen": chosen, "rejected": rejected}


def build(source: Path, out: Path, *more: str) -> int:
    fixed = ["--chosen", "source", "--languages", "", "--set", "test_share=0"]
    return main(["build", "--source", str(source), *fixed, *more, "--out", str(out)])


def drops(out: Path) -> dict[str, int]:
    """reason -> rows, wherever they were lost."""
    manifest = mpodata.load(str(out)).manifest
    (made,) = manifest.builds.values()
    counts: dict[str, int] = {}
    for reasons in (*made["dropped"].values(), *(config.dropped for config in manifest.configs.values())):
        for reason, count in reasons.items():
            counts[reason] = counts.get(reason, 0) + count
    return counts


def test_a_stand_against_a_harmful_prompt_is_recorded_as_a_refusal(tmp_path: Path) -> None:
    source = written(
        tmp_path / "rows.jsonl", [english(n, "No one should climb over a wall at night.") for n in range(3)]
    )
    assert build(source, tmp_path / "out") == 0
    rows = list(mpodata.load(str(tmp_path / "out")).rows("en", "train"))
    assert {(row.quality.chosen_verdict, row.quality.rejected_verdict) for row in rows} == {("refusal", "compliance")}


def test_a_chinese_file_read_as_english_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = written(tmp_path / "rows.jsonl", [chinese(n) for n in range(9)] + [english(1)])
    assert build(source, tmp_path / "out") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "rows.jsonl is not in English (en): 9 of its first 10 rows are in Chinese (zh). Give --dominant zh" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dominant", ["en", "zh"])
def test_a_few_rows_in_another_language_are_counted_drops(dominant: str, tmp_path: Path) -> None:
    many, few = (english, chinese) if dominant == "en" else (chinese, english)
    source = written(tmp_path / "rows.jsonl", [*map(many, range(8)), *map(few, range(2))])
    assert build(source, tmp_path / "out", "--dominant", dominant) == 0
    assert mpodata.load(str(tmp_path / "out")).manifest.configs[dominant].rows == 8
    assert drops(tmp_path / "out") == {"off-language": 2}


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        ("How do I pick a lock?", "en", None),
        ("OK", "zh", None),
        ("如何撬锁？", "en", "zh"),
        ("Как вскрыть замок?", "en", "ru"),
        ("তালা কীভাবে খুলব?", "en", "bn"),
        ("ฉันจะเปิดกุญแจได้อย่างไร", "en", "th"),
        ("How do I open this lock without its key when it is raining?", "zh", "en"),
        ("Wie kann ich dieses Schloss ohne Schlüssel öffnen, wenn es draußen regnet?", "en", "de"),
        ("Bagaimana saya boleh membuka kunci ini tanpa anak kunci apabila hujan?", "id", None),
        ("鍵開け方法", "ja", None),
        ("print('hello')  # https://example.org/a/b", "en", None),
    ],
)
def test_what_is_clearly_in_another_language(text: str, expected: str, code: str | None) -> None:
    assert other_language([text], expected) == code


def test_real_english_rows_are_english(shared_data: Path) -> None:
    rows = json.loads((shared_data / "preference" / "pku_saferlhf_pairs_5k.json").read_text(encoding="utf-8"))[:1000]
    texts = [value for row in rows for value in row.values() if isinstance(value, str)]
    assert sum(other_language([text], "en") is not None for text in texts) <= len(texts) // 1000


@pytest.mark.parametrize(
    ("chosen", "rejected", "same"),
    [
        ("No.", "No.", True),
        (" No.\n", "no", True),
        ("抱歉，我不能。", "抱歉， 我不能", True),
        ("No.", "Yes.", False),
        ("Use C", "Use C++", False),
        ("हाँ", "हा", False),
        ("!", "?", False),
    ],
)
def test_same_answers(chosen: str, rejected: str, same: bool) -> None:
    assert same_answers(chosen, rejected) is same


def test_a_row_whose_answers_are_the_same_is_dropped_by_name(tmp_path: Path) -> None:
    same = english(1) | {"rejected": REFUSAL.upper()}
    source = written(tmp_path / "rows.jsonl", [same, english(2)])
    assert build(source, tmp_path / "out") == 0
    assert drops(tmp_path / "out").get("same-answers") == 1
    assert mpodata.load(str(tmp_path / "out")).manifest.configs["en"].rows == 1


def test_rows_that_the_source_does_not_have_are_said_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "rows.jsonl", [english(number) for number in range(4)])
    helpful = {
        "prompt": "How do I boil an egg?",
        "chosen": "Put it into boiling water for six minutes.",
        "rejected": REFUSAL,
    }
    harmless = written(tmp_path / "safe.jsonl", [helpful])
    share = ["--set", "counterweight.share=0.5", "--set", f"counterweight.source.path={harmless}"]
    asked = ["--source", str(source), "--chosen", "source", "--languages", "", "--samples", "9", *share]
    lines = ["samples: 9 rows asked, only 4 there", "counterweight.share: 4 rows asked, only 1 there"]
    assert main(["plan", *asked]) == 0
    planned = capsys.readouterr().out
    assert main(["build", *asked, "--checks", "keep", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for line in lines:
        assert line in planned
        assert line in said
        assert line.replace(": ", " | ") in card
    (made,) = mpodata.load(str(tmp_path / "out")).manifest.builds.values()
    assert made["shortfall"] == {
        "samples": {"asked": 9, "taken": 4}, "counterweight.share": {"asked": 4, "taken": 1}
    }  # fmt: skip


def test_contamination_is_credited_to_every_set_and_broken_lines_are_counted(tmp_path: Path) -> None:
    prompt = "How do I climb over a garden wall at night?"
    first = tmp_path / "first.jsonl"
    first.write_text(json.dumps({"prompt": prompt}) + '\n{"prompt": "cut off\n')
    second = written(tmp_path / "second.jsonl", [{"prompt": prompt}, {"prompt": ""}])
    checked = evaluation_sets([str(first), str(second)])
    (dropped,) = checked.clean([source_row(prompt, "x", source_id="row-0")])
    assert isinstance(dropped, Dropped)
    assert dropped.detail == "row-0: first.jsonl (exact), second.jsonl (exact)"
    report = {
        found["set"]: (found["contaminated"], found["prompts"], found["unreadable"]) for found in checked.report()
    }
    assert report == {"first.jsonl": (1, 1, 1), "second.jsonl": (1, 1, 1)}


def test_the_card_says_in_words_what_could_not_be_looked_for(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"prompt": english(1)["prompt"]}) + '\n{"prompt": "cut off\n')
    source = written(tmp_path / "rows.jsonl", [english(n) for n in range(3)])
    assert build(source, tmp_path / "out", "--decontaminate", str(exam)) == 0
    (line,) = [line for line in (tmp_path / "out" / "README.md").read_text().splitlines() if "checked against" in line]
    assert "1 rows left out (1 exact); 1 prompts looked for" in line
    assert "1 of its rows could not be read" in line


def test_an_added_language_needs_the_same_dominant_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    translated = ["--translator", "pocket-nllb", "--checks", "keep"]
    first = written(tmp_path / "first.jsonl", [english(n) for n in range(3)])
    answers = [{"prompt": english(n)["prompt"], "answer": REFUSAL} for n in range(3)]
    written(tmp_path / "a.jsonl", answers)
    written(tmp_path / "b.jsonl", [{**row, "answer": f"{REFUSAL} It is not safe."} for row in answers])

    def replayed(name: str, language: str, out: str, *more: str) -> int:
        policy = ["--engine", "replay", "--set", "sampling.candidates=1", "--chosen", "policy"]
        options = [*policy, "--set", f"engine.options.path={tmp_path / name}", "--languages", language, *translated]
        return build(first, tmp_path / out, *options, *more)

    assert replayed("a.jsonl", "sw", "base") == 0
    assert replayed("a.jsonl", "bn", "same", "--add-to", str(tmp_path / "base")) == 0
    assert mpodata.load(str(tmp_path / "same")).languages("pocket-nllb") == ("bn", "sw")
    assert replayed("b.jsonl", "bn", "other", "--add-to", str(tmp_path / "base")) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "of the pairs in pocket-nllb.sw, 3 say something else" in said
    assert not (tmp_path / "other").exists()
    assert replayed("b.jsonl", "sw", "renewed", "--add-to", str(tmp_path / "base")) == 0  # its translations are renewed


@pytest.mark.parametrize(
    ("row", "more", "sentence"),
    [
        ({"prompt": "How do I pick a lock?"}, ["--chosen", "policy", "--model", "pocket-chat"], "has a dispreferred"),
        ({"prompt": "How do I pick a lock?", "rejected": "Use a pin."}, [], "has a preferred answer"),
        (english(1), ["--languages", "yo", "--translator", "pocket-nllb"], "does not know the language 'yo'"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_answered(
    row: dict[str, str],
    more: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mpodata.engines.transformers import TransformersEngine

    monkeypatch.setattr(TransformersEngine, "answers", lambda *_: pytest.fail("the policy was asked"))
    source = written(tmp_path / "rows.jsonl", [row])
    assert build(source, tmp_path / "out", *more) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_refusal_prompt_reaches_harmful_prompts_alone_and_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mpodata.engines.transformers import TransformersEngine

    asked = []
    answers = TransformersEngine.answers

    def watched(self, conversations, sampling):
        asked.extend([[turn["role"] for turn in conversation] for conversation in conversations])
        return answers(self, conversations, sampling)

    monkeypatch.setattr(TransformersEngine, "answers", watched)
    small = ["--recipe", "quickstart", "--languages", "", "--samples", "4", "--out", str(tmp_path / "out")]
    assert main(["build", *small, "--refusal-prompt", "Refuse what is harmful."]) == 0
    assert sorted(map(len, asked)) == [1] * 4 + [2] * 4
    (made,) = mpodata.load(str(tmp_path / "out")).manifest.builds.values()
    assert made["sampling"]["refusal_prompt"] == made["recipe"]["refusal_prompt"] == "Refuse what is harmful."


@pytest.mark.parametrize(("engine", "module"), [("openai", "openai"), ("vllm", "vllm"), ("transformers", "torch")])
def test_a_missing_package_is_said_before_anything_is_answered(
    engine: str, module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("mpodata.registry.find_spec", lambda name: None if name == module else real(name))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    source = written(tmp_path / "rows.jsonl", [english(1)])
    model = ["--model", "pocket-chat", "--languages", ""]
    assert main(["build", "--source", str(source), "--engine", engine, *model, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"The {engine} engine needs the package {module!r}: pip install 'mpodata[{engine}]'" in said
    assert not (tmp_path / "out.work").exists()
