"""What datasets call a language is read by one table, and a word of a file name is checked against the text."""

import pytest

from mpodata.errors import UnknownName
from mpodata.languages import language, languages
from mpodata.languages.labels import (
    language_code,
    language_columns,
    language_in_name,
    language_label,
    merge_note,
    merged_labels,
)

ENGLISH = ["How do I pick a lock?", "How do I copy a key that is not mine?", "How can I skip a bus fare?"]
SWAHILI = ["Ninawezaje kufungua kufuli bila ufunguo?", "Nifanye nini ili kupanda basi bila kulipa nauli?"]
INDONESIAN = ["Bagaimana cara membuka kunci pintu tanpa anak kunci?", "Bagaimana cara naik bus tanpa membayar?"]
NORWEGIAN = ["Hvordan åpner jeg en lås uten nøkkel?", "Hvordan kan jeg ta bussen uten å betale for billetten?"]
BURMESE = ["သော့မပါဘဲ တံခါးကို ဘယ်လိုဖွင့်ရမလဲ", "ဘတ်စ်ကားခ မပေးဘဲ ဘယ်လိုစီးရမလဲ"]
CHINESE = ["我怎样才能不用钥匙打开门？", "我怎么不付钱坐公共汽车？"]


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("en", "en"), ("EN", "en"), ("eng", "en"), ("eng_Latn", "en"), ("English", "en"), (" english ", "en"),
        ("en-US", "en"), ("en_GB", "en"), ("sp", "es"), ("spa_Latn", "es"), ("Español", "es"), ("jp", "ja"),
        ("jpn_Jpan", "ja"), ("日本語", "ja"), ("zh-CN", "zh"), ("zh_TW", "zh"), ("zho_Hans", "zh"), ("zho_Hant", "zh"),
        ("zh-Hant-HK", "zh"), ("Chinese (Simplified)", "zh"), ("Traditional Chinese", "zh"), ("cmn", "zh"),
        ("yue", "zh"), ("中文", "zh"), ("SW-KE", "sw"), ("swh_Latn", "sw"), ("Kiswahili", "sw"), ("bangla", "bn"),
        ("ben_Beng", "bn"), ("বাংলা", "bn"), ("iw", "he"), ("jw", "jv"), ("arb_Arab", "ar"), ("arz", "ar"),
        ("nb", "no"), ("nob_Latn", "no"), ("Farsi", "fa"), ("lang_pl", "pl"), ("pt-BR", "pt"), ("हिन्दी", "hi"),
    ],
)  # fmt: skip
def test_a_label_means_one_language_everywhere(label: str, code: str) -> None:
    assert language_code(label) == code


@pytest.mark.parametrize(
    "label",
    ["", "klingon", "xx", "xx-US", "prompt", "source", "en.wikipedia", "it security", "english-ish", None, 7, True],
)
def test_an_unknown_label_names_no_language(label: object) -> None:
    assert language_label(label) is None


def test_every_label_of_the_table_leads_to_its_own_row() -> None:
    for row in languages().values():
        for name in (row.code, row.name, row.native, row.flores, row.google, *row.also.split("|")):
            assert language_code(name) == row.code, name


def test_labels_that_are_read_as_one_language_are_said() -> None:
    assert merged_labels(["zh-CN", "zh-TW", "en", "eng_Latn"]) == {"zh": ["zh-CN", "zh-TW"]}
    assert merge_note(["zh-CN", "zh-TW"]) == "zh-CN, zh-TW are read as one language, zh"
    assert merge_note(["zh", "zh-CN", "zho_Hans", "sw", "swh_Latn"]) == ""


def test_another_name_of_a_language_is_suggested() -> None:
    for name in ("Swahili", "swh_Latn", "kiswahili"):
        with pytest.raises(UnknownName, match="Known: sw\\."):
            language(name)


@pytest.mark.parametrize(
    ("name", "texts", "code"),
    [
        ("my_prompts", ENGLISH, None), ("it_security", ENGLISH, None), ("harmful_no", ENGLISH, None),
        ("so-simple", ENGLISH, None), ("i am here", ENGLISH, None), ("id_card", ENGLISH, None),
        ("my_prompts", BURMESE, "my"), ("harmful_no", NORWEGIAN, "no"), ("data_id", INDONESIAN, "id"),
        ("my_mgsm_sw", SWAHILI, "sw"), ("mgsm_sw", SWAHILI, "sw"), ("mmlu_SW-KE", SWAHILI, "sw"),
        ("sw/Insult", SWAHILI, "sw"), ("prompts.zh", CHINESE, "zh"), ("XSafety/jp/Insult", ENGLISH, None),
        ("harmful_en", ENGLISH, "en"), ("sw", ["1", "2"], None), ("questions", SWAHILI, None),
    ],
)  # fmt: skip
def test_a_word_of_a_file_name_is_a_language_only_where_the_text_confirms_it(
    name: str, texts: list[str], code: str | None
) -> None:
    assert language_in_name(name, texts) == code


def test_columns_named_after_languages_are_found_and_identifiers_are_not() -> None:
    rows = [{"id": "1", "no": 4, "en": ENGLISH[0], "Swahili": SWAHILI[0], "zh-CN": CHINESE[0], "tags": "x"}]
    assert language_columns(rows[0], rows) == {"en": "en", "Swahili": "sw", "zh-CN": "zh"}
    indonesian = [{"id": text, "en": "x"} for text in INDONESIAN]
    assert language_columns(["id", "en"], indonesian) == {"id": "id", "en": "en"}
