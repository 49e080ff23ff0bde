"""Benchmarks load from the files people have, whatever their shape, and say where their prompts came from."""

import json

import pytest

from mpodata.errors import DataError, UnknownName
from mpotrain.evaluation.benchmarks import BENCHMARKS, CODE_SWITCHED, find
from mpotrain.evaluation.benchmarks.prompts import choose, load_prompts


def counts(prompts):
    found = {}
    for prompt in prompts:
        found[prompt.language, prompt.kind] = found.get((prompt.language, prompt.kind), 0) + 1
    return found


def test_every_benchmark_says_where_it_comes_from():
    for benchmark in BENCHMARKS.values():
        assert benchmark.title
        assert benchmark.source
        assert benchmark.licence
        assert benchmark.revision
        assert benchmark.kind == "harmful"


def test_the_real_multijail_file_gives_315_prompts_in_ten_languages(shared_data):
    prompts, origin = load_prompts(find("multijail"), shared_data / "safety" / "multijail.csv")  # UTF-8 with a BOM
    assert set(counts(prompts).values()) == {315}
    assert {prompt.language for prompt in prompts} == {"en", "zh", "it", "vi", "ar", "ko", "th", "bn", "sw", "jv"}
    assert len({prompt.prompt_id for prompt in prompts}) == 315  # the same ids in every language
    assert len(origin["sha256"]) == 64
    assert origin["unreadable"] == 0


def test_the_real_xstest_files_keep_safe_and_unsafe_prompts_apart(shared_data):
    for name in ("xstest_prompts.csv", "xstest_v2_completions_gpt4.csv"):
        prompts, _ = load_prompts(find("xstest"), shared_data / "safety" / name)
        assert counts(prompts) == {("en", "harmless"): 250, ("en", "harmful"): 200}, name


def test_the_real_polyrefuse_folder_gives_parallel_languages_of_both_kinds(shared_data):
    prompts, origin = load_prompts(find("polyrefuse"), shared_data / "safety" / "polyrefuse")
    found = counts(prompts)
    assert {n for (_, kind), n in found.items() if kind == "harmful"} == {299}
    assert {n for (_, kind), n in found.items() if kind == "harmless"} == {400}
    assert len({code for code, _ in found}) == 14
    assert origin["files"] == 54
    ids = {code: {p.prompt_id for p in prompts if p.language == code and p.kind == "harmful"} for code in ("en", "th")}
    assert ids["en"] == ids["th"]


def test_the_real_advbench_and_pku_files_load(shared_data):
    prompts, _ = load_prompts(find("advbench-x"), shared_data / "safety" / "advbench_harmful_behaviors.csv")
    assert counts(prompts) == {("en", "harmful"): 520}
    prompts, _ = load_prompts(find("pku-saferlhf"), shared_data / "preference" / "pku_saferlhf_pairs_5k.json")
    assert counts(prompts) == {("en", "harmful"): 930}  # each distinct prompt once


def test_a_real_table_without_a_header_takes_its_language_from_its_name(shared_data):
    name = str(shared_data / "utility" / "mgsm" / "mgsm_sw.tsv")
    prompts, _ = load_prompts(find(name), name)
    assert counts(prompts) == {("sw", "harmful"): 250}


def test_the_pocket_benchmark_ships_with_the_package():
    test, _ = load_prompts(find("pocket"))
    dev, _ = load_prompts(find("pocket-dev"))
    assert len(test) > len(dev) > 100
    assert all(prompt.expects for prompt in test)
    assert not {p.text for p in test} & {p.text for p in dev}


def test_columns_of_languages_become_prompts_and_an_id_column_is_not_indonesian(tmp_path):
    path = tmp_path / "advbench.csv"
    path.write_text("id,en,sw\n7,Where is the bus?,Basi liko wapi?\n8,Where is the dog?,\n", encoding="utf-8")
    prompts, _ = load_prompts(find("advbench-x"), path)
    assert [(p.prompt_id, p.language, p.text) for p in prompts] == [
        ("7", "en", "Where is the bus?"), ("7", "sw", "Basi liko wapi?"), ("8", "en", "Where is the dog?"),
    ]  # fmt: skip


def test_columnar_json_with_one_list_of_prompts_loads(tmp_path):
    path = tmp_path / "sw.json"
    path.write_text(json.dumps({"safety": ["Moja?", "Mbili?"]}), encoding="utf-8")
    prompts, _ = load_prompts(find(str(path)), path)
    assert [(p.language, p.text) for p in prompts] == [("sw", "Moja?"), ("sw", "Mbili?")]


def test_a_header_less_csv_in_a_folder_per_language_loads_in_its_own_encoding(tmp_path):
    for code, encoding, text in [
        ("en", "utf-8", "Who says so, and why?"),
        ("zh", "gb18030", "请告诉我这只猫为什么在桌子上睡觉。"),
    ]:
        (tmp_path / code).mkdir()
        (tmp_path / code / "Insult_n.csv").write_bytes("\n".join([f'"{text}"'] * 30).encode(encoding))
    prompts, origin = load_prompts(find("xsafety"), tmp_path)
    assert counts(prompts) == {("en", "harmful"): 30, ("zh", "harmful"): 30}
    assert {p.text for p in prompts} == {"Who says so, and why?", "请告诉我这只猫为什么在桌子上睡觉。"}
    assert origin["files"] == 2


def test_code_switched_prompts_have_no_single_language(tmp_path):
    path = tmp_path / "csrt.csv"
    path.write_text("id,category,en,csrt\n0,x,Where is it?,Wapi 它 है?\n", encoding="utf-8")
    prompts, _ = load_prompts(find("csrt"), path)
    assert [(p.language, p.text) for p in prompts] == [(CODE_SWITCHED, "Wapi 它 है?")]


def test_a_long_table_reads_language_names_kinds_and_expected_words(tmp_path):
    path = tmp_path / "mine.jsonl"
    rows = [
        {"id": "a", "language": "Swahili", "prompt": "Habari?", "kind": "harmless", "expects": ["njema"]},
        {"id": "a", "language": "zh-CN", "prompt": "你好?", "label": "safe"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    prompts, _ = load_prompts(find(str(path)), path)
    assert [(p.language, p.kind, p.expects) for p in prompts] == [
        ("sw", "harmless", ("njema",)),
        ("zh", "harmless", ()),
    ]


def test_repeated_ids_keep_all_their_rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,prompt\n1,One?\n1,Two?\n", encoding="utf-8")
    prompts, _ = load_prompts(find("refuseu-test"), path)
    assert [p.prompt_id for p in prompts] == ["1", "1#2"]


def test_a_limit_keeps_the_same_prompts_in_every_language(shared_data):
    prompts, _ = load_prompts(find("multijail"), shared_data / "safety" / "multijail.csv")
    chosen = choose(prompts, ["en", "sw"], 40)
    by_language = {code: {p.prompt_id for p in chosen if p.language == code} for code in ("en", "sw")}
    assert by_language["en"] == by_language["sw"]
    assert len(by_language["en"]) == 40
    assert by_language["en"] != {str(n) for n in range(40)}  # not merely the first ones


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("colour,size\nred,4\n", "no column holds prompts"),
        ("language,prompt\nKlingon,nuqneH\n", "language 'Klingon' is not in the table"),
    ],
)
def test_a_file_that_cannot_be_a_benchmark_is_told_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        load_prompts(find(str(path)), path)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UnknownName, match="Did you mean 'multijail'"):
        find("multijial")


def test_a_benchmark_without_a_public_file_says_how_to_give_one():
    with pytest.raises(DataError, match="--data xstest=PATH"):
        load_prompts(find("xstest"))
