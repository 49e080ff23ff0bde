"""What the papers printed is recorded whole, with its errata, and stands beside one's own figures."""

import argparse
import copy
from dataclasses import replace

import pytest
import yaml

from mpodata.errors import ConfigError, DataError, UnknownName
from mpotrain.commands import report
from mpotrain.commands.report import perform
from mpotrain.config import load_preset, preset_file
from mpotrain.evaluation import published as room
from mpotrain.evaluation.published import parse_table, published, published_names
from mpotrain.evaluation.report.beside import tables_beside
from mpotrain.evaluation.report.comparison import gather
from tests.mpotrain.fake_judge import answers, evaluation

HALF = {"en": 0.1, "sw": 0.5}


@pytest.mark.parametrize("name", published_names())
def test_every_recorded_table_is_sound(name):
    table = published(name)
    assert (table.name, bool(table.title), bool(table.source)) == (name, True, True)
    assert table.parts or table.settings


def test_table_2_holds_eleven_methods_on_three_benchmarks():
    table = published("mpo-table-2")
    assert {key: len(part.names()) for key, part in table.parts.items()} == dict.fromkeys(
        ("multijail", "advbench-x", "csrt"), 11
    )
    assert table.parts["multijail"].average("MPO") == pytest.approx(5.50, abs=0.005)
    assert table.parts["multijail"].average("base") == pytest.approx(31.905)


def test_a_wrong_printed_average_without_an_erratum_is_refused():
    content = yaml.safe_load((room.FOLDER / "mpo-table-2.yaml").read_text(encoding="utf-8"))
    silent = copy.deepcopy(content) | {"errata": []}
    with pytest.raises(DataError, match=r"MPO: the printed average 5\.98 is not that of the row \(5\.50\)"):
        parse_table("mpo-table-2", silent)


def test_a_row_of_another_length_and_an_erratum_on_nothing_are_refused():
    content = yaml.safe_load((room.FOLDER / "mpo-table-5.yaml").read_text(encoding="utf-8"))
    short = copy.deepcopy(content)
    short["parts"]["multijail"]["rows"]["Ar"].pop()
    with pytest.raises(DataError, match="'Ar' must have 6 numbers, has 5"):
        parse_table("mpo-table-5", short)
    astray = copy.deepcopy(content)
    astray["errata"][0]["printed"] = 41.92
    with pytest.raises(DataError, match=r"printed there is 41\.91"):
        parse_table("mpo-table-5", astray)


def test_an_unknown_table_is_told_with_those_there_are():
    with pytest.raises(UnknownName, match="Did you mean 'mpo-table-2'"):
        published("mpo-table-22")


def test_the_errata_that_are_known_are_footnotes():
    told = {name: " ".join(published(name).footnotes()) for name in published_names()}
    assert "MPO, average is printed 5.98, read 5.50" in told["mpo-table-2"]
    assert "Bn, zh is printed 41.91, read 41.90" in told["mpo-table-5"]
    assert "permuted" in told["mpo-table-11"]
    assert "printed [01,0.5]" in told["mpo-table-7"]
    assert "Read off a picture" in told["lidr-mt-bench"]


def test_the_presets_and_the_search_space_are_what_the_paper_printed():
    for preset, flags in published("mpo-table-8").settings.items():
        ours = load_preset(preset, "mpo")
        assert {name: ours[name] for name in flags} == flags
    search = preset_file("search")["search"]
    for method, space in published("mpo-table-7").settings.items():
        assert search[method] == space


def multijail(tmp_path):
    rows = answers(HALF, "harmful", lambda i, rate: i < rate * 200)
    return evaluation(tmp_path / "run", "ours", [replace(row, benchmark="multijail") for row in rows])


def test_ones_own_figures_stand_beside_the_published_ones_with_errata_below(tmp_path):
    path = multijail(tmp_path)
    perform(report_args(path, tmp_path / "report.html", "auto"))
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "MultiJail, attack success, %: published and here" in page
    assert "| ours (here) | 10.00 (6.57 to 14.94) |" in page
    assert "| MPO (published) | 2.22 | 0.95 | 4.76 | 1.90 | 12.38 | 10.79 | 5.50 |" in page
    assert "Erratum: MPO, average is printed 5.98, read 5.50: its own row averages 5.50." in page


def test_the_average_of_ones_own_row_is_over_the_languages_measured(tmp_path):
    (table,) = tables_beside(gather([multijail(tmp_path)]), ["auto"])
    assert table.rows[-1][-1].text == "30.00"  # (10 + 50) / 2


def test_a_table_of_what_was_not_asked_says_so_and_auto_finds_none(tmp_path):
    rows = answers(HALF, "harmful", lambda i, rate: i < rate * 200)
    comparison = gather([evaluation(tmp_path / "run", "ours", rows)])
    tables = tables_beside(comparison, ["mpo-table-14"])
    assert "None of these evaluations asked it" in tables[0].caption
    with pytest.raises(ConfigError, match="no paper printed figures"):
        tables_beside(comparison, ["auto"])


def test_the_flag_of_earlier_releases_still_shows_table_2(tmp_path):
    perform(report_args(multijail(tmp_path), tmp_path / "report.html", "llama-3.1-8b", flag="--paper"))
    assert "CSRT, attack success" in (tmp_path / "report.md").read_text(encoding="utf-8")


def report_args(path, out, tables, flag="--published"):
    parser = argparse.ArgumentParser()
    report.arguments(parser)
    return parser.parse_args([str(path), "--out", str(out), flag, tables])
