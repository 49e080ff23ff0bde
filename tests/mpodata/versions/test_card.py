"""The card: complete, readable by the Hub, and a function of the manifest alone."""

import dataclasses
import math
from pathlib import Path

import jinja2
import pytest
from huggingface_hub import DatasetCard

from mpodata.licences import commercial, commercial_use, conditions, derived_licence, model_licence, obstacles
from mpodata.records import COUNTERWEIGHT, Quality
from mpodata.versions.card import cards_folder, configs_metadata, parse_front_matter, render_card
from mpodata.versions.manifest import read_manifest
from mpodata.versions.publish import publish
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts, rows, write_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_version(tmp_path / "out", languages=["sw", "ar"], dropped={"nllb-600m.sw": {"copied": 2, "looping": 3}})
    return tmp_path / "out"


def test_the_hub_reads_its_front_matter(folder: Path) -> None:
    card = DatasetCard.load(folder / "README.md")
    data = card.data.to_dict()
    manifest = read_manifest(folder)
    assert data["language"] == ["ar", "en", "sw"]
    assert data["license"] == "cc-by-nc-4.0"
    assert data["size_categories"] == ["n<1K"]
    assert "not-for-all-audiences" in data["tags"]
    assert "By asking for access" in data["extra_gated_prompt"]
    assert [entry["config_name"] for entry in data["configs"]] == ["en", "nllb-600m.ar", "nllb-600m.sw"]
    assert data["configs"] == configs_metadata(manifest)
    listed = {file["path"] for entry in data["configs"] for file in entry["data_files"]}
    assert listed == set(manifest.parquet_files())


def test_it_says_what_there_is_how_it_was_made_and_how_to_load_it(folder: Path, tmp_path: Path) -> None:
    publish(folder, str(tmp_path / "registry" / "demo"))
    card = (tmp_path / "registry" / "demo" / "v1.0.0" / "README.md").read_text()
    for part in (
        "| `nllb-600m.sw` | Swahili | nllb-600m | 10 | 2 | 5 | copied 2, looping 3 |",
        "mpodata build --translator nllb-600m --model pocket-chat --languages sw",
        "facebook/nllb-200-distilled-600M",
        "not the *Mixed Preference\nOptimization*",
        'load_dataset("ROOT/demo/v1.0.0", "nllb-600m.ar", split="train")',
        'mpodata.load("ROOT/demo@v1.0.0")',
        "from trl import DPOTrainer",
        "--format llama-factory",
        "mpotrain train --dataset ROOT/demo@v1.0.0",
        "Content warning",
        "arXiv:2505.16869",
        "| `nllb-600m.sw` | 12 | 70.6 % | 100.0 % | 100.0 % |",
        "on-policy for that model only",
        "has only 12 rows",
        "lost 29.4 % of its rows",
        "Commercial use is not allowed",
    ):
        assert part in card, part


def test_it_is_the_same_each_time(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert render_card(manifest) == render_card(manifest) == (folder / "README.md").read_text()


def test_a_hole_in_the_template_is_an_error(folder: Path) -> None:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = (cards_folder() / "dataset.md.j2").read_text()
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string(text).render(front_matter="")


def test_text_from_outside_cannot_break_its_tables_or_front_matter(tmp_path: Path) -> None:
    evil = {"path": "a|b\n---\n<script>{{ 7*7 }}", "licence": "mit"}
    write_version(tmp_path / "out", source=evil, command="mpodata build\n```\n# heading")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "a\\|b --- &lt;script>{ { 7\\*7 }}" in card
    assert "<script>" not in card
    assert "\n# heading" not in card
    assert parse_front_matter(card)["license"] == "cc-by-nc-4.0"


def test_harmless_pairs_ask_for_no_gate_and_no_warning(tmp_path: Path) -> None:
    manifest = write_version(tmp_path / "out", category=COUNTERWEIGHT)
    card = (tmp_path / "out" / "README.md").read_text()
    assert not manifest.holds_harmful_completions()
    assert "Content warning" not in card
    assert "extra_gated_prompt" not in parse_front_matter(card)


def test_the_share_of_refusals_is_of_the_harmful_pairs(tmp_path: Path) -> None:
    """A harmless pair's chosen answer helps: it is no failed refusal, and a config of such pairs has no share."""
    write_version(tmp_path / "out", category=COUNTERWEIGHT)
    card = (tmp_path / "out" / "README.md").read_text()
    [header] = [line for line in card.splitlines() if "harmful pairs: chosen is a refusal" in line]
    column = header.split("|").index(" harmful pairs: chosen is a refusal ")
    [row] = [line for line in card.splitlines() if line.startswith("| `nllb-600m.sw` | 12 |")]
    assert row.split("|")[column].strip() == "–"


def test_rows_that_were_kept_in_spite_of_a_check_are_told(tmp_path: Path) -> None:
    checks = {"mode": "keep", "flagged": {"nllb-600m.sw": {"looping": 3, "copied": 1}}}
    write_version(tmp_path / "out", checks=checks)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`nllb-600m.sw` keeps rows that the quality checks find fault with: copied 1, looping 3." in card
    assert "| quality checks | mode keep |" in card


def test_a_dataset_without_translations_has_a_card_too(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(3)))
        writer.finish(facts(translators={}))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "the dominant side only" in card
    assert parse_front_matter(card)["license"] == "apache-2.0"


@pytest.mark.parametrize(
    ("parts", "licence", "free"),
    [
        (["mit", "apache-2.0"], "apache-2.0", True),
        (["apache-2.0", "cc-by-nc-4.0"], "cc-by-nc-4.0", False),
        (["llama3.1", "cc-by-nc-4.0"], "cc-by-nc-4.0", False),
        (["unknown", "cc-by-nc-4.0"], "cc-by-nc-4.0", False),
        (["cc-by-sa-4.0", "mit"], "cc-by-sa-4.0", True),
        (["cc-by-sa-4.0", "cc-by-nc-4.0"], "cc-by-nc-sa-4.0", False),
        (["llama3.1"], "llama3.1", None),
        (["llama3.1", "mit"], "other", None),
        (["mit", ""], "unknown", None),
        (["mit", "something-new"], "unknown", None),
        ([], "unknown", None),
    ],
)
def test_the_licence_follows_from_the_parts(parts: list[str], licence: str, free: bool | None) -> None:
    assert derived_licence(parts) == licence
    assert commercial(licence) is free


def test_every_figure_of_the_card_is_a_number(folder: Path) -> None:
    manifest = read_manifest(folder)
    for file in manifest.parquet_files().values():
        assert math.isfinite(file.quality["chosen_length_ratio"]["mean"])
        assert dataclasses.asdict(file)["categories"] == {"theft": file.rows}


def judged(verdict: str, count: int) -> list[Row]:
    """English rows of which the first `count` have this verdict on their chosen answer, the others "refusal"."""
    made = list(rows("en", range(20)))
    other = [dataclasses.replace(row, quality=dataclasses.replace(row.quality, chosen_verdict=verdict)) for row in made]
    return [*other[:count], *made[count:]]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "(a refusal in 100.0 % of the harmful pairs"),
        (17, "(only 15.0 % of the harmful pairs hold what the detector takes for a refusal)"),
    ],
)
def test_its_words_follow_the_measured_rows(count: int, words: str, tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", judged("compliance", count))
        writer.finish(facts(translators={}, detector={"detector": "rules"}))
    card = (tmp_path / "out" / "README.md").read_text()
    assert words in card
    assert "How far the phrase rules" in card
    assert "\n- English: " in card


def test_it_claims_no_check_and_no_measure_that_was_not_made(tmp_path: Path) -> None:
    bare = [dataclasses.replace(row, quality=Quality()) for row in rows("en", range(3))]
    targets = [dataclasses.replace(row, quality=Quality()) for row in rows("sw", range(3))]
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", bare)
        writer.add("nllb-600m.sw", "train", targets)
        writer.finish(facts(checks={"mode": "keep"}))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "meant to be a refusal; whether it is was not measured" in card
    assert "not all of it was checked" in card
    assert "was checked by programs" not in card
    assert "passed\nevery check" not in card
    assert "How far the phrase rules" not in card


def test_it_holds_no_raw_json(tmp_path: Path) -> None:
    checks = {"mode": "drop", "tables": {"quality/a.tsv": "0ce51ac61d40431f", "quality/b.tsv": "1ce51ac61d40431f"}}
    policy = {"engine": "openai", "model": "m", "body": {"top_k": 4, "stop": ["END"]}, "strict": True, "licence": "mit"}
    write_version(tmp_path / "out", checks=checks, policy=policy)
    made = (tmp_path / "out" / "README.md").read_text().partition("| part | |")[2].partition("\n\n")[0]
    assert not {"{", "}", '"'} & set(made)
    assert "body stop END, top_k 4" in made
    assert "tables 2 (hash " in made


EVIL = "[x](http://evil)`<b>|\x1b[2J\u202e"


def test_hostile_names_and_reasons_are_shown_not_rendered(tmp_path: Path) -> None:
    write_version(
        tmp_path / "out",
        dropped={"nllb-600m.sw": {EVIL: 1}, EVIL: {EVIL: 2}},
        checks={"mode": "keep", "flagged": {"nllb-600m.sw": {EVIL: 1}}},
        decontamination={EVIL: {"prompts": 3, "by": {EVIL: 1}, "contaminated": 1, "method": EVIL}},
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "[x](http" not in card.replace("\\[x\\](http", "")
    assert not {"\x1b", "\u202e"} & set(card)
    assert "<b>" not in card


@pytest.mark.parametrize(
    ("parts", "free"),
    [
        (["mit", "apache-2.0"], True),
        (["mit", "gemma"], None),
        (["mit", "unknown"], None),
        (["unknown", "cc-by-nc-4.0"], False),
        (["gemma", "qwen-research"], False),
        (["mit", "tencent-hunyuan-community"], False),
        (["mit", "cc-by-nc-sa-3.0"], False),
        ([], None),
    ],
)
def test_no_version_is_called_commercial_where_a_part_is_not(parts: list[str], free: bool | None) -> None:
    assert commercial_use(parts) is free


def test_the_licence_of_each_model_behind_a_translator_counts() -> None:
    made = {"name": "llm", "licence": "gemma", "fallback": {"name": "nllb-600m", "licence": "cc-by-nc-4.0"}}
    parts = facts(translators={"llm": made}).licences()
    assert parts["translator llm"] == "gemma"
    assert parts["translator llm, fallback nllb-600m"] == "cc-by-nc-4.0"
    assert derived_licence(parts.values()) == "cc-by-nc-4.0"
    assert [line.partition(":")[0] for line in conditions(parts)] == [
        "translator llm", "translator llm, fallback nllb-600m",
    ]  # fmt: skip
    assert [line.partition(" is ")[0] for line in obstacles(parts)] == [
        "translator llm", "translator llm, fallback nllb-600m",
    ]  # fmt: skip


def test_a_part_that_has_two_licences_in_two_builds_keeps_both(tmp_path: Path) -> None:
    gemma = {"engine": "transformers", "model": "google/gemma-2-9b-it", "licence": "gemma"}
    write_version(tmp_path / "one", policy=gemma)
    write_version(tmp_path / "two", base=tmp_path / "one", translator="google", dominant_too=False)
    card = (tmp_path / "two" / "README.md").read_text()
    assert "the Gemma terms" in card
    assert "- against commercial use: translator nllb-600m is cc-by-nc-4.0\n" in card


def test_terms_that_travel_with_the_data_are_said(tmp_path: Path) -> None:
    policy = {"engine": "transformers", "model": "google/gemma-2-9b-it", "licence": "gemma"}
    write_version(tmp_path / "out", policy=policy)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n- policy: the Gemma terms" in card
    assert "Commercial use is not allowed" in card
    assert model_licence("tencent/Hunyuan-MT-7B") == "tencent-hunyuan-community"
    assert "European Union" in conditions({"translator x": "tencent-hunyuan-community"})[0]
