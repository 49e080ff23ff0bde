"""What NeMo Curator's translation stage writes, in its forms: raw and both, columns of text and of messages.

The rows are those that its stages make (FormatTranslationOutputStage after ReassemblyStage, read at 1e2e4275).
"""

import json
from pathlib import Path
from typing import Any

import pytest

import mpodata
from mpodata.cli import main
from mpodata.errors import DataError
from mpodata.records import Dropped, Pair
from mpodata.sources.detection import detect
from mpodata.sources.nemo_curator import nemo_curator

ENGLISH = ("How do I pick a lock?", "I can't help with that.", "First:\n- take a wire\n- bend it")
SWAHILI = ("Ninawezaje kufungua kufuli?", "Samahani, siwezi kusaidia na ombi hilo.", "Kwanza:\n- chukua waya\n- upinde")
FIELDS = ("prompt", "chosen", "rejected")


def segments(english: str, swahili: str) -> list[dict[str, str]]:
    """Coarse segmentation: the stripped lines, without what marks a list."""
    return [
        {"src": src.removeprefix("- "), "tgt": tgt.removeprefix("- ")}
        for src, tgt in zip(english.splitlines(), swahili.splitlines(), strict=True)
    ]


def flat(mode: str, **changes: Any) -> dict[str, Any]:
    texts = ENGLISH if mode == "raw" else SWAHILI
    metadata = {
        "target_lang": "sw",
        "translation": dict(zip(FIELDS, SWAHILI, strict=True)),
        "segmented_translation": {
            name: segments(english, swahili) for name, english, swahili in zip(FIELDS, ENGLISH, SWAHILI, strict=True)
        },
        "faith_scores": {"Fluency": 5.0, "average": 4.8},
    }
    row = {**dict(zip(FIELDS, texts, strict=True)), "translation_time": 0.2, "translation_errors": "", "faith_avg": 4.8}
    return {**row, "translation_metadata": json.dumps({**metadata, **changes})}


def messages(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return str(path)


NESTED = {"target_lang": "sw", "translation": {"content": list(SWAHILI)}, "segmented_translation": {"content": []}}
CONVERSATIONS = {**messages(*ENGLISH), "translation_metadata": json.dumps(NESTED)}


PAIRS = [pair for texts in zip(ENGLISH, SWAHILI, strict=True) for pair in segments(*texts)]
REPLACED = {
    **messages(*SWAHILI),
    "translation_metadata": json.dumps({**NESTED, "segmented_translation": {"content": PAIRS}}),
}


@pytest.mark.parametrize(
    "row", [flat("raw"), flat("both"), CONVERSATIONS, REPLACED], ids=["raw", "both", "messages", "messages, both"]
)
def test_a_row_gives_its_source_and_its_translation(row, tmp_path):
    path = written(tmp_path / "rows.jsonl", row)
    assert detect(path) == "nemo-curator"
    source = nemo_curator(path=path)
    [pair] = source.pairs()
    assert isinstance(pair, Pair)
    assert (pair.dominant.prompt, pair.dominant.chosen, pair.dominant.rejected) == ENGLISH
    assert (pair.target.language, pair.target.prompt, pair.target.chosen, pair.target.rejected) == ("sw", *SWAHILI)
    assert source.targets == ("sw",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**flat("raw"), "translation_metadata": "{}"}, "unknown-language"),  # a row that the stage skipped
        ({**flat("raw"), "translation_metadata": "{"}, "unknown-language"),
        (flat("raw", target_lang="xx-unknown"), "unknown-language"),
        (flat("raw", translation={}), "untranslated"),
        (flat("raw", translation={"content": ["one"]}), "unreadable-translation"),
        (flat("both", segmented_translation=[]), "source-is-gone"),
        (
            flat("both", segmented_translation={name: [{"src": "x", "tgt": "not there"}] for name in FIELDS}),
            "source-is-gone",
        ),
        (flat("raw", translation={**dict(zip(FIELDS, SWAHILI, strict=True)), "chosen": ""}), "empty-chosen"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row, reason, tmp_path):
    [dropped, pair] = nemo_curator(path=written(tmp_path / "rows.jsonl", row, flat("raw"))).pairs()
    assert isinstance(dropped, Dropped)
    assert dropped.reason == reason
    assert isinstance(pair, Pair)


def test_an_audit_tells_the_form_and_finds_what_the_translation_did_to_a_row(tmp_path, capsys):
    lost = flat("raw", translation={**dict(zip(FIELDS, SWAHILI, strict=True)), "rejected": ENGLISH[2]})
    path = written(tmp_path / "rows.jsonl", lost)
    assert main(["audit", path, "--json"]) == 0
    audit = json.loads(capsys.readouterr().out)
    assert audit["format"] == "nemo-curator"
    assert "copied" in json.dumps(audit)


def test_a_version_is_built_of_it(tmp_path):
    path = written(tmp_path / "rows.jsonl", flat("raw"), flat("both"))
    assert main(["build", "--source", path, "--set", "test_share=0", "--out", str(tmp_path / "out")]) == 0
    version = mpodata.load(str(tmp_path / "out"))
    assert version.translators() == ("nemo-curator",)
    assert {pair.target.prompt for pair in version.pairs("train")} == {SWAHILI[0]}


def test_a_file_without_its_metadata_is_said(tmp_path):
    source = nemo_curator(path=written(tmp_path / "rows.jsonl", dict(zip(FIELDS, SWAHILI, strict=True))))
    with pytest.raises(DataError, match="has no column translation_metadata"):
        list(source.pairs())
