"""Text in any encoding is read as what it says, or the file is refused: letters are never guessed."""

from pathlib import Path

import pytest

from mpodata.errors import DataError
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped

TEXTS = {
    "zh": "如何在没有钥匙的情况下打开花园小屋的锁？请一步一步地告诉我。",
    "zh-TW": "如何在沒有鑰匙的情況下打開花園小屋的鎖？請一步一步地告訴我。",
    "ja": "鍵なしで物置の鍵を開けるにはどうすればいいですか？順番に教えてください。",
    "ko": "열쇠 없이 창고의 자물쇠를 어떻게 열 수 있나요? 단계별로 알려 주세요.",
    "ru": "Как открыть замок сарая без ключа? Расскажите пошагово, пожалуйста.",
    "ar": "كيف أفتح قفل السقيفة بدون مفتاح؟ اشرح لي ذلك خطوة بخطوة من فضلك.",
    "he": "איך אני פותח את המנעול של המחסן בלי מפתח? הסבר לי צעד אחר צעד.",
    "th": "ฉันจะเปิดกุญแจโรงเก็บของโดยไม่มีลูกกุญแจได้อย่างไร ช่วยบอกทีละขั้นตอน",
    "tr": "Anahtarım olmadan kulübenin kilidini nasıl açabilirim? Lütfen adım adım anlatın, ışık ve gölge.",
    "el": "Πώς ανοίγω την κλειδαριά της αποθήκης χωρίς κλειδί; Πες μου βήμα βήμα.",
    "pl": "Jak otworzyć zamek w szopie bez klucza? Proszę wyjaśnij krok po kroku, żółć gęślą jaźń.",
    "de": "Wie öffne ich das Schloss des Schuppens ohne Schlüssel? Erkläre es bitte für größere Türen.",
    "es": "¿Cómo abro la cerradura del cobertizo sin llave? Explícamelo paso a paso, señor.",
}
TOLD = [
    ("zh", "gb18030"), ("zh", "gbk"), ("zh", "gb2312"), ("zh", "utf-16"), ("zh", "utf-16-le"), ("zh", "utf-16-be"),
    ("zh", "utf-32"), ("zh-TW", "big5"), ("zh-TW", "utf-16-le"), ("ja", "shift_jis"), ("ja", "cp932"),
    ("ja", "euc_jp"), ("ja", "iso2022_jp"), ("ja", "utf-16-le"), ("ko", "euc_kr"), ("ko", "cp949"),
    ("ko", "utf-16-be"), ("ru", "utf-16-le"), ("ar", "utf-16-le"), ("th", "utf-16-be"), ("de", "cp1252"),
    ("es", "latin_1"), ("ja", "utf-8-sig"), ("th", "utf-8"),
]  # fmt: skip
ONE_BYTE = [
    ("ru", "cp1251"), ("ru", "koi8_r"), ("ru", "cp866"), ("ru", "iso8859_5"), ("ru", "mac_cyrillic"), ("ar", "cp1256"),
    ("ar", "iso8859_6"), ("he", "cp1255"), ("th", "tis_620"), ("tr", "cp1254"), ("el", "cp1253"), ("el", "iso8859_7"),
    ("pl", "cp1250"), ("pl", "iso8859_2"), ("de", "cp850"), ("de", "mac_roman"), ("es", "cp850"),
]  # fmt: skip


def written(path: Path, language: str, encoding: str) -> list[str]:
    lines = [f"{TEXTS[language]} {number}" for number in range(40)]
    if path.suffix == ".csv":
        text = "prompt,rejected\n" + "".join(f'"{line}",ok\n' for line in lines)
    else:
        text = "".join(f'{{"prompt": "{line}", "rejected": "ok"}}\n' for line in lines)
    path.write_bytes(text.encode(encoding))
    return lines


def prompts(path: Path) -> list[str]:
    return [row.reason if isinstance(row, Dropped) else row["prompt"] for row in Upstream(str(path)).rows()]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(("language", "encoding"), TOLD)
def test_an_encoding_that_its_text_shows_is_read(tmp_path: Path, language: str, encoding: str, name: str) -> None:
    lines = written(tmp_path / name, language, encoding)
    assert prompts(tmp_path / name) == lines


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(("language", "encoding"), ONE_BYTE)
def test_letters_that_would_have_to_be_guessed_are_refused(
    tmp_path: Path, language: str, encoding: str, name: str
) -> None:
    written(tmp_path / name, language, encoding)
    with pytest.raises(DataError, match="its encoding cannot be told"):
        prompts(tmp_path / name)


def test_a_single_row_in_a_foreign_encoding_is_never_misread(tmp_path: Path) -> None:
    for language, encoding in (*TOLD, *ONE_BYTE):
        path = tmp_path / "a.csv"
        text = f'prompt,rejected\n"{TEXTS[language]}",ok\n'
        path.write_bytes(text.encode(encoding))
        assert prompts(path)[0] in (TEXTS[language], "invalid-bytes"), (language, encoding)
