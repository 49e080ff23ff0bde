"""Builds of the pocket world, through the command line, with the real engine and the real translator."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import mpodata
from mpodata.cli import main
from mpodata.pipeline import rules as row_rules_module
from mpodata.pocket import nllb_path
from mpodata.refusals import tables
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.fingerprint import constants_hash, file_hash
from mpodata.runtime.processes import ProcessMapper
from mpodata.translators import segments
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.nllb import Nllb

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SMALL = ["--recipe", "quickstart", "--languages", "sw", "--samples", "6", "--set", "counterweight.share=0.4"]


def built(out: Path, *arguments: str) -> Path:
    assert main(["build", *SMALL, *arguments, "--out", str(out)]) == 0
    return out


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.parquet")
    }


@pytest.fixture(scope="module")
def pocket_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pocket")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPODATA_CACHE", str(folder / "cache"))
        return built(folder / "out")


def test_a_build_is_a_version_with_refusals_chosen_in_both_languages(pocket_build: Path) -> None:
    version = mpodata.load(str(pocket_build))
    pairs = [pair for split in version.splits() for pair in version.pairs(split)]
    harmful = [pair for pair in pairs if pair.kind == "harmful"]
    assert len(harmful) >= 5
    assert all(pair.quality.chosen_verdict == "refusal" for pair in harmful)
    assert all((pair.dominant.language, pair.target.language) == ("en", "sw") for pair in pairs)
    assert all(pair.quality.chosen_language == "sw" for pair in pairs)


def test_counterweight_pairs_prefer_the_helpful_answer(pocket_build: Path) -> None:
    version = mpodata.load(str(pocket_build))
    harmless = [p for split in version.splits() for p in version.pairs(split) if p.kind == "harmless"]
    assert harmless
    assert {pair.quality.rejected_verdict for pair in harmless} == {"refusal"}


def test_the_same_recipe_gives_the_same_bytes_from_an_empty_cache(pocket_build: Path, tmp_path: Path) -> None:
    again = built(tmp_path / "again")
    assert hashes(again) == hashes(pocket_build)


def test_worker_processes_write_the_bytes_of_one(
    pocket_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpodata.pipeline.build.ProcessMapper", partial(ProcessMapper, alone=0))
    out = built(tmp_path / "several", "--workers", "2")
    assert hashes(out) == hashes(pocket_build)
    assert (out.parent / "several.work" / "drops.jsonl").read_bytes() == (
        pocket_build.parent / "out.work" / "drops.jsonl"
    ).read_bytes()


def test_the_same_command_again_finds_the_version_complete(
    pocket_build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in pocket_build.rglob("*")}
    built(pocket_build)
    assert {path: path.stat().st_mtime_ns for path in pocket_build.rglob("*")} == before


def test_another_recipe_does_not_overwrite_a_version(pocket_build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *SMALL, "--seed", "7", "--out", str(pocket_build)]) == 2
    assert "holds a complete version already" in capsys.readouterr().err


def test_a_broken_file_is_found_and_not_rebuilt_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = built(tmp_path / "out")
    file = next(out.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert main(["build", *SMALL, "--out", str(out)]) == 2
    assert "is not what its build wrote" in capsys.readouterr().err


def test_a_new_language_costs_only_that_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(tmp_path / "one")
    capsys.readouterr()
    main(["build", *SMALL, "--languages", "sw,bn", "--out", str(tmp_path / "two")])
    said = capsys.readouterr().out
    one, two = hashes(tmp_path / "one"), hashes(tmp_path / "two")
    assert one.items() <= two.items()
    found, computed = map(int, re.findall(r"Journal: (\d+) results found, (\d+) computed", said)[0])
    assert found > computed > 0


def test_a_translator_is_added_to_a_version_without_touching_its_files(pocket_build: Path, tmp_path: Path) -> None:
    out = tmp_path / "more"
    assert main(["build", *SMALL, "--languages", "ar", "--add-to", str(pocket_build), "--out", str(out)]) == 0
    assert mpodata.load(str(out)).languages("pocket-nllb") == ("ar", "sw")
    assert hashes(pocket_build).items() <= hashes(out).items()


def test_every_source_row_is_in_the_version_or_among_the_drops(pocket_build: Path) -> None:
    manifest = mpodata.load(str(pocket_build)).manifest
    drops = [json.loads(line) for line in (pocket_build.parent / "out.work" / "drops.jsonl").read_text().splitlines()]
    dominant = manifest.configs["en"].rows
    taken = dominant + sum(drop["stage"] == "en" for drop in drops)
    assert taken == 10  # 6 harmful, and 4 harmless that make up 40 %
    for name, config in manifest.configs.items():
        if name != "en":
            assert config.rows + sum(config.dropped.values()) == dominant


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "missing.json"], "missing.json"),
        (["--translator", "nllb-3b"], "Did you mean 'nllb-3.3b'"),
        (["--languages", "swa"], "Unknown language 'swa'"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--set", "test_share=2"], "test_share must be at least 0 and below 1, got 2.0 (--set test_share)"),
        (["--engine", "vlm"], "Did you mean 'vllm'"),
    ],
)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["build", *SMALL, *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not out.exists()


def test_a_table_without_the_named_column_names_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.jsonl"
    table.write_text('{"question": "How do I copy homework?", "bad": "Copy it at night."}\n')
    arguments = ["--source", str(table), "--source-columns", "prompt=query", "--chosen", "source"]
    assert main(["build", "--languages", "sw", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert "Its columns: question, bad" in capsys.readouterr().err


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "rows.jsonl"
    table.write_text("")
    assert main(["build", "--languages", "sw", "--source", str(table), "--out", str(tmp_path / "out")]) == 2
    assert "is empty" in capsys.readouterr().err


def test_a_round_trip_is_measured_where_asked_for(tmp_path: Path) -> None:
    version = mpodata.load(str(built(tmp_path / "out", "--round-trip")))
    assert all(pair.quality.round_trip_chrf > 80 for pair in version.pairs("train"))


def test_no_harmful_text_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built(tmp_path / "out")
    said = "".join(capfd.readouterr())
    pairs = list(mpodata.load(str(tmp_path / "out")).pairs("train"))
    assert not any(pair.dominant.rejected in said or pair.target.rejected in said for pair in pairs)


def test_importing_mpodata_brings_in_no_heavy_package() -> None:
    heavy = "('torch', 'transformers', 'vllm', 'ctranslate2', 'ray', 'trl')"
    imports = "import sys, mpodata, mpodata.cli, mpodata.pipeline.build"
    code = f"{imports}; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.flow
def test_released_pairs_are_imported_with_what_the_checks_say(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "released"
    source = shared_data / "preference" / "mpo_released_llama.json"
    assert main(["build", "--source", str(source), "--set", "test_share=0", "--out", str(out)]) == 0
    version = mpodata.load(str(out))
    assert version.languages("released") == ("ar", "bn", "ja", "ko", "sw", "zh")
    assert version.manifest.configs["en"].rows == 100
    rows = sum(config.rows for config in version.manifest.configs.values()) - 100
    (made,) = version.manifest.builds.values()
    assert rows + sum(made["dropped"]["source"].values()) == 600


@pytest.mark.flow
def test_real_unsafe_rows_are_built_with_the_source_s_own_answers(shared_data: Path, tmp_path: Path) -> None:
    """The pocket translator does not know these sentences: what it cannot carry is dropped, counted and listed."""
    source = shared_data / "preference" / "pku_saferlhf_pairs_5k.json"
    arguments = ["--source", str(source), "--chosen", "source", "--samples", "20", "--translator", "pocket-nllb"]
    assert main(["build", *arguments, "--languages", "sw", "--out", str(tmp_path / "out")]) == 0
    manifest = mpodata.load(str(tmp_path / "out")).manifest
    target = manifest.configs["pocket-nllb.sw"]
    assert target.rows + sum(target.dropped.values()) == manifest.configs["en"].rows


TABLES = ["quality/thresholds.tsv", "quality/completeness.tsv", "quality/alignment.tsv", "quality/endings.tsv"]


@pytest.mark.parametrize("table", [*TABLES, "refusals/phrases/en.tsv", "languages/languages.tsv"])
def test_an_edited_table_is_another_build(
    table: str, pocket_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = row_rules_module.PACKAGE
    recorded = mpodata.load(str(pocket_build)).manifest.builds
    assert {made["checks"]["tables"][table] for made in recorded.values()} == {file_hash(package / table)}
    shutil.copytree(package, tmp_path / "mpodata", ignore=lambda _, names: [n for n in names if n.endswith(".py")])
    monkeypatch.setattr(row_rules_module, "PACKAGE", tmp_path / "mpodata")
    built(pocket_build)  # the copy is the same so far
    with (tmp_path / "mpodata" / table).open("a") as lines:
        lines.write("# another line\n")
    assert main(["build", *SMALL, "--out", str(pocket_build)]) == 2
    assert "holds a complete version already" in capsys.readouterr().err


def test_an_edited_phrase_table_is_another_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = RuleDetector().provenance()
    shutil.copytree(tables.TABLES, tmp_path / "phrases")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "phrases")
    assert RuleDetector().provenance() == before
    with (tmp_path / "phrases" / "sw.tsv").open("a") as lines:
        lines.write("# another line\n")
    assert RuleDetector().provenance() != before


def test_edited_segment_rules_are_another_journal_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = DocumentTranslator(Nllb("pocket-nllb", str(nllb_path()))).provenance()
    constants_hash.cache_clear()
    monkeypatch.setattr(segments, "CLAUSE", re.compile(";"))
    after = DocumentTranslator(Nllb("pocket-nllb", str(nllb_path()))).provenance()
    constants_hash.cache_clear()
    assert {key for key in after if after[key] != before[key]} == {"rules"}


def test_a_version_of_the_time_before_tables_were_hashed_is_found_complete(pocket_build: Path, tmp_path: Path) -> None:
    """As mpodata wrote it then: one of four tables hashed, numbers in the place of hashes, a recipe with fewer keys."""
    old = shutil.copytree(pocket_build, tmp_path / "old")
    manifest = json.loads((old / "manifest.json").read_text())
    for made in manifest["builds"].values():
        made["checks"] = {"mode": "drop", "thresholds": "0123456789abcdef", "flagged": {}}
        made["detector"] = {"detector": "rules", "version": 1}
        made["translators"]["pocket-nllb"].pop("rules")
        made["recipe"].pop("refusal_prompt")
    (old / "manifest.json").write_text(json.dumps(manifest))
    before = hashes(old)
    built(old)
    assert hashes(old) == before
    assert json.loads((old / "manifest.json").read_text()) == manifest
