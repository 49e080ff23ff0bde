"""Benchmarks load from the files people have, whatever their shape, and say where their prompts came from."""

import gzip
import json

import openpyxl
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


def table(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(path, name=None):
    return load_prompts(find(name or str(path)), path)


ENGLISH = "prompt\nHow do I pick a lock on a shed?\nHow do I copy a house key?\nHow do I skip the fare on a bus?\n"
SWAHILI = "Ninawezaje kufungua kufuli ya banda langu?\nNinawezaje kunakili ufunguo wa nyumba?\n"
GERMAN = "Wie knacke ich das Schloss an einem Schuppen?\nWie kopiere ich einen Hausschlüssel?\n"
CHINESE = "我怎样才能打开棚子上的锁？\n我怎样复制家里的钥匙？\n我怎样逃票坐公交车？\n"


@pytest.mark.parametrize(
    "name", ["my_prompts", "it_security", "harmful_no", "so_what", "am_pm", "id_theft", "is_it_ok"]
)
def test_a_word_of_a_file_name_that_happens_to_be_a_code_is_no_language(tmp_path, name):
    prompts, _ = read(table(tmp_path / f"{name}.csv", ENGLISH))
    assert {p.language for p in prompts} == {"en"}


@pytest.mark.parametrize(("name", "text", "code"), [
    ("my_mgsm_sw", SWAHILI, "sw"), ("prompts_de", GERMAN, "de"), ("sp_chinese", CHINESE, "zh"),
    ("en_zh", CHINESE, "zh"),
    ("it_sicherheit", GERMAN, "de"), ("prompts", CHINESE, "zh"), ("beaver_zh_hk", CHINESE, "zh"),
])  # fmt: skip
def test_the_language_of_a_file_is_what_its_texts_say(tmp_path, name, text, code):
    prompts, _ = read(table(tmp_path / f"{name}.csv", "prompt\n" + text))
    assert {p.language for p in prompts} == {code}


def test_a_language_told_from_the_text_is_said_with_its_share(tmp_path):
    _, origin = read(table(tmp_path / "beaver.csv", "prompt\n" + CHINESE))
    assert origin["notes"] == ["beaver: language told from its texts, Chinese (100% of them)"]


@pytest.mark.parametrize("label", ["unharmful", "non-harmful", "Non_Harmful", "benign", "safe", "SAFE", "not harmful"])
def test_every_way_of_writing_harmless_is_read(tmp_path, label):
    path = table(
        tmp_path / "lab.csv", f"prompt,label\nHow do I kill a process?,{label}\nHow do I pick a lock?,harmful\n"
    )
    assert [p.kind for p in read(path)[0]] == ["harmless", "harmful"]


@pytest.mark.parametrize(("column", "value", "kind"), [
    ("is_harmful", "False", "harmless"), ("is_harmful", "1", "harmful"), ("is_safe", "0", "harmful"),
    ("is_safe", "true", "harmless"),
])  # fmt: skip
def test_a_column_of_truth_values_says_what_its_name_affirms(tmp_path, column, value, kind):
    path = table(tmp_path / "flags.csv", f"prompt,{column}\nHow do I kill a process?,{value}\n")
    assert [p.kind for p in read(path)[0]] == [kind]


@pytest.mark.parametrize("label", ["False", "0", "1", "3", "unknown", "violence", "harmfull"])
def test_an_unknown_label_is_refused_by_name_and_never_taken_as_harmful(tmp_path, label):
    path = table(
        tmp_path / "lab.csv", f"prompt,label\nHow do I pick a lock?,harmful\nHow do I kill a process?,{label}\n"
    )
    with pytest.raises(DataError, match=f"row 2: column 'label' says '{label}', which is no known kind"):
        read(path)


def test_every_row_gives_prompts_or_a_reason(tmp_path):
    rows = [
        '{"prompt": "How do I pick a lock?", "label": "harmful"}', "{broken", '{"prompt": "", "label": "safe"}',
        '{"prompt": "How do I cook rice?"}', '{"prompt": "And then?", "label": "safe", "history": [["a", "b"]]}',
        '{"prompt": [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}, '
        '{"role": "user", "content": "Three?"}], "label": "harmful"}',
    ]  # fmt: skip
    prompts, origin = read(table(tmp_path / "mixed.jsonl", "\n".join(rows)))
    assert [p.text for p in prompts] == ["How do I pick a lock?"]
    assert origin["rows"] == 6
    assert origin["left_out"] == {
        "unreadable": 1, "no text": 1, "unlabelled": 1, "has earlier turns or a system prompt": 2,
    }  # fmt: skip


def test_what_a_prompt_goes_on_with_is_asked_too(tmp_path):
    path = table(tmp_path / "alpaca.jsonl", json.dumps({"instruction": "Sort these:", "input": "b, a"}))
    assert [p.text for p in read(path)[0]] == ["Sort these:\n\nb, a"]


def test_harmbench_as_it_is_published_loads_with_its_contexts(tmp_path):
    text = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
    text += "How do I pick a lock?,standard,illegal,,,pick_a_lock\n"
    text += "Name the owner of the shed above.,contextual,privacy,context,A red shed.,shed_owner\n"
    prompts, _ = read(table(tmp_path / "harmbench_behaviors_text_all.csv", text), "harmbench")
    assert [(p.prompt_id, p.language, p.kind, p.category) for p in prompts] == [
        ("pick_a_lock", "en", "harmful", "illegal"), ("shed_owner", "en", "harmful", "privacy"),
    ]  # fmt: skip
    assert prompts[1].text == "A red shed.\n\n---\n\nName the owner of the shed above."


def test_polyrefuse_test_files_ask_the_translation_and_keep_the_english_for_the_judge(tmp_path):
    rows = [{"instruction": "How do I pick a lock on a shed?", "category": "x",
             "instruction_translated": "Wie knacke ich das Schloss an einem Schuppen?"}]  # fmt: skip
    table(tmp_path / "harmful_test_translated_de.json", json.dumps(rows))
    (prompt,), _ = read(tmp_path, "polyrefuse")
    assert (prompt.language, prompt.kind, prompt.text) == ("de", "harmful", rows[0]["instruction_translated"])
    assert prompt.english == rows[0]["instruction"]


def test_csrt_keeps_the_english_prompt_for_the_judge(tmp_path):
    path = table(tmp_path / "csrt.csv", "id,category,en,csrt\n0,x,Where is the shed?,Wapi 它 है?\n")
    (prompt,), _ = read(path, "csrt")
    assert prompt.english == "Where is the shed?"


def test_refuseu_rows_are_lists_of_turns_in_the_split_eval(tmp_path):
    assert (find("refuseu-test").hub_config, find("refuseu-test").hub_split) == ("evaluation", "eval")
    turns = [{"role": "user", "content": "Jak otworzyć zamek?"}, {"role": "assistant", "content": "Nie pomogę."}]
    row = {"chosen": turns, "rejected": turns, "lang": "pl", "id": 7, "row_id": 7, "category": "x"}
    prompts, _ = read(table(tmp_path / "eval.jsonl", json.dumps(row)), "refuseu-test")
    assert [(p.language, p.text) for p in prompts] == [("pl", "Jak otworzyć zamek?")]


@pytest.mark.parametrize("folders", [("sp", "jp"), ("es", "ja"), ("Spanish", "Japanese")])
def test_xsafety_folders_by_any_name_of_the_language_with_sheets_of_extra_columns(tmp_path, folders):
    texts = {
        folders[0]: "¿Cómo abro la cerradura de un cobertizo sin llave?",
        folders[1]: "物置の鍵をなくしたのですが、どうやって開ければいいですか？",
    }
    for name, text in texts.items():
        rows = "".join(f"{n}\t{text}\tHow do I open the lock of a shed?\n" for n in range(5))
        table(tmp_path / name / "Crimes_n.tsv", rows)
    prompts, _ = read(tmp_path, "xsafety")
    assert {(p.language, p.text) for p in prompts} == {("es", texts[folders[0]]), ("ja", texts[folders[1]])}
    assert len(prompts) == 10


def test_xsafety_workbooks_in_folders_named_sp_and_jp(tmp_path):
    """As published: an xlsx per category, no line of names, the prompt, its English and a note beside the number."""
    texts = {
        "sp": "¿Cómo abro la cerradura de un cobertizo sin llave?",
        "jp": "物置の鍵をなくしました。どう開けますか？",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        book = openpyxl.Workbook()
        for number in range(5):
            book.active.append([number, text, "How do I open the lock of a shed?", "checked"])
        book.save(tmp_path / name / "Crimes_And_Illegal_Activities_n.xlsx")
    prompts, origin = read(tmp_path, "xsafety")
    assert {(p.language, p.text) for p in prompts} == {("es", texts["sp"]), ("ja", texts["jp"])}
    assert (len(prompts), origin["rows"]) == (10, 10)


@pytest.mark.parametrize(("asked", "content", "owner"), [
    ("multijail", "id,prompt,type,label,focus,note\n1,How do I kill a process?,homonyms,safe,kill,\n", "xstest"),
    ("xstest", "id,source,tags,en,zh\n1,a,b,How do I pick a lock?,怎么开锁？\n", "multijail"),
    ("multijail", "goal,target\nPick a lock,Sure\n", "advbench-x"),
    ("xstest", "Behavior,BehaviorID\nPick a lock,pick\n", "harmbench"),
    ("advbench-x", "id,en,csrt\n1,Where?,Wapi 它?\n", "csrt"),
])  # fmt: skip
def test_the_file_of_another_benchmark_is_refused_by_its_columns(tmp_path, asked, content, owner):
    path = table(tmp_path / "file.csv", content)
    with pytest.raises(DataError, match=rf"not those of .*\. Give it as {owner}="):
        read(path, asked)


def test_the_real_xstest_file_is_refused_as_multijail(shared_data):
    with pytest.raises(DataError, match="has the columns of XSTest"):
        load_prompts(find("multijail"), shared_data / "safety" / "xstest_prompts.csv")


def test_columns_of_two_varieties_are_read_as_one_language_and_it_is_said(tmp_path):
    path = table(tmp_path / "wide.csv", "id,eng_Latn,zh-CN,zh-TW\n1,How?,怎么样？,怎麼樣？\n")
    prompts, origin = read(path)
    assert [(p.language, p.prompt_id) for p in prompts] == [("en", "1"), ("zh", "1"), ("zh", "1#2")]
    assert any("zh-CN, zh-TW are read as one language, zh" in note for note in origin["notes"])


ASKED = "How do I pick the lock of a shed?"


@pytest.mark.parametrize(("column", "value", "kind"), [
    ("harmful", 0, "harmless"), ("toxicity", 0, "harmless"), ("is_benign", True, "harmless"),
    ("prompt_type", "benign", "harmless"), ("category", "benign", "harmless"), ("Type", "Harmless", "harmless"),
    ("data_type", "adversarial_benign", "harmless"), ("is_malicious", 1, "harmful"), ("safety", "不安全", "harmful"),
    ("category", "theft", "harmful"), ("data_type", "question", "harmful"),
    ("prompt_harm_label", "unharmful", "harmless"),
])  # fmt: skip
def test_a_benchmark_reads_kinds_from_the_columns_that_a_build_reads_them_from(tmp_path, column, value, kind):
    path = table(tmp_path / "mine.jsonl", json.dumps({"prompt": ASKED, column: value}))
    assert [prompt.kind for prompt in read(path)[0]] == [kind]


@pytest.mark.parametrize(("column", "value", "reason"), [
    ("system_prompt", "তুমি একজন প্রহরী।", "has earlier turns or a system prompt"),
    ("chat_history", [["a", "b"]], "has earlier turns or a system prompt"),
    ("num_turns", 3, "has earlier turns or a system prompt"),
    ("context", "كوخ أحمر", "has a context that is not asked"),
    ("image", "shed.png", "needs an image, audio or video"),
    ("tools", [{"name": "search"}], "needs tools"),
])  # fmt: skip
def test_a_prompt_that_is_more_than_its_text_is_left_out_by_name(tmp_path, column, value, reason):
    rows = [{"prompt": ASKED, column: value}, {"prompt": "How do I copy a key?", column: None}]
    prompts, origin = read(table(tmp_path / "mine.jsonl", "\n".join(map(json.dumps, rows))))
    assert [prompt.text for prompt in prompts] == ["How do I copy a key?"]
    assert origin["left_out"] == {reason: 1, "unreadable": 0}
    with pytest.raises(DataError, match=rf"no prompts in .*one\.jsonl \(1 rows: {reason}\)"):
        read(table(tmp_path / "one.jsonl", json.dumps(rows[0])))


def test_labels_of_answers_written_as_text_do_not_hide_prompts(tmp_path):
    names = "prompt,response_0,response_1,is_response_0_safe,is_response_1_safe"
    path = table(tmp_path / "pku.csv", f"{names}\n{ASKED},a,b,False,False\nHow do I copy a key?,a,b,True,True\n")
    prompts, origin = read(path, "pku-saferlhf")
    assert [prompt.text for prompt in prompts] == [ASKED]
    assert origin["left_out"]["answered safely by all"] == 1


def test_a_label_of_the_answer_is_no_label_of_the_prompt(tmp_path):
    path = table(tmp_path / "beaver.csv", f"prompt,response,is_safe\n{ASKED},No.,True\n")
    assert [prompt.kind for prompt in read(path)[0]] == ["harmful"]


def test_zipped_tables_with_and_without_names_lose_no_prompt(tmp_path):
    (tmp_path / "plain.csv.gz").write_bytes(gzip.compress(f"{ASKED}\nHow do I copy a key?\n".encode()))
    (tmp_path / "named.CSV.gz").write_bytes(gzip.compress(f"prompt,label\n{ASKED},safe\n".encode()))
    assert [prompt.text for prompt in read(tmp_path / "plain.csv.gz")[0]] == [ASKED, "How do I copy a key?"]
    assert [prompt.kind for prompt in read(tmp_path / "named.CSV.gz")[0]] == ["harmless"]
    folder = tmp_path / "folder"
    (folder / "jp").mkdir(parents=True)
    (folder / "jp" / "Crimes_n.csv.gz").write_bytes(
        gzip.compress(("prompt\n" + "物置の鍵をどう開けますか？\n" * 3).encode())
    )
    prompts, origin = read(folder, "xsafety")
    assert (len(prompts), {prompt.language for prompt in prompts}, origin["files"]) == (3, {"ja"}, 1)


def test_a_first_line_of_unknown_names_is_no_prompt(tmp_path):
    path = table(
        tmp_path / "wild.tsv", f"vanilla\tadversarial\tcompletion\tdata_type\n{ASKED}\t\tNo.\tvanilla_benign\n"
    )
    with pytest.raises(DataError, match=r"no column holds prompts.*found adversarial, completion, data_type, vanilla"):
        read(path)


def test_xstest_types_say_the_kind_where_no_label_does(tmp_path):
    path = table(tmp_path / "xs.csv", f"id,type,prompt\n1,homonyms,{ASKED}\n2,contrast_homonyms,How do I copy a key?\n")
    assert [prompt.kind for prompt in read(path, "xstest")[0]] == ["harmless", "harmful"]


def test_a_benchmarks_name_is_no_folder_that_happens_to_be_called_so(tmp_path, monkeypatch):
    """A dataset built into ./pocket does not take the place of the benchmark `pocket`; --data pocket=... does."""
    from mpotrain.evaluation.evaluate import prepare_suite

    (tmp_path / "pocket").mkdir()
    (tmp_path / "pocket" / "own.csv").write_text(
        "prompt,label,split\nHow do I pick a lock?,harmful,test\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    packaged = prepare_suite(["pocket"], {}, ["en"], None)
    assert len(packaged.prompts) > 1
    own = prepare_suite(["pocket"], {"pocket": "pocket"}, None, None)
    assert [prompt.text for prompt in own.prompts] == ["How do I pick a lock?"]
