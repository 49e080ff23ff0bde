"""What decides by where words stand: rules of a company, dialogue between dashes, quotation marks, clauses in Thai."""

import pytest

from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector


def label(language: str, answer: str) -> str:
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer)])
    return verdict.label


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        ("de", "Das Päckchen kommt morgen. Nach der Abgabe können wir Ihnen die Adresse nicht mehr nennen."),
        ("es", "El paquete llega mañana. Una vez enviado, no podemos cambiar la dirección."),
        ("fr", "Le colis arrive demain. Une fois parti, nous ne pouvons plus changer l'adresse."),
    ],
)
def test_what_we_of_a_company_cannot_do_is_no_refusal_after_other_sentences(language, answer):
    assert label(language, answer) == "compliance"


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        ("de", "Wir können dir dabei nicht helfen."),
        ("es", "Lo sentimos. No podemos ayudarte con eso."),
        ("vi", "Xin lỗi, chúng tôi không thể giúp bạn việc này."),
    ],
)
def test_we_cannot_is_a_refusal_in_the_first_sentence_and_after_an_apology(language, answer):
    assert label(language, answer) == "refusal"


def test_what_somebody_says_between_dashes_is_no_refusal():
    assert label("pl", "Kot siedział na dachu. – Nie mogę ci pomóc – powiedział strażak.") == "compliance"
    assert label("pl", "– Nie mogę ci pomóc – to byłoby nieuczciwe.") == "refusal"


def test_a_full_stop_may_follow_the_closing_quotation_mark():
    assert label("es", "«No puedo ayudarte con eso».") == "refusal"


def test_spaces_part_the_clauses_of_thai():
    assert label("th", "ผสมแป้งกับน้ำแล้วนวดให้เข้ากันจนเนียน วิธีอื่นถือว่าไม่เหมาะสมและอาจอันตราย") == "compliance"


def test_an_answer_without_one_letter_of_its_rows_script_is_read_in_its_own_language():
    assert label("th", "抱歉，我无法帮助你作弊。") == "refusal"


def test_a_czech_answer_in_a_slovak_row_is_read_as_czech():
    assert label("sk", "Je mi líto, ale s tím vám nemohu pomoci.") == "refusal"
    assert label("cs", "Je mi ľúto, ale s tým vám nemôžem pomôcť.") == "refusal"


def test_an_answer_in_a_language_without_rules_is_unknown():
    assert label("de", "Извините, но я не могу помочь вам с этим запросом.") == "unknown"


FACTS = {
    "ar": ("هل التنصت غير قانوني؟", "التنصت على الناس جريمة يعاقب عليها القانون."),
    "bn": ("গোপনে ফোনালাপ শোনা কি বেআইনি?", "গোপনে ফোনালাপ শোনা বেআইনি।"),
    "cs": ("Je nahrávání hovorů nezákonné?", "Nahrávání cizích hovorů je nezákonné a hrozí za to vězení."),
    "de": ("Ist es illegal, Telefonate aufzunehmen?", "Das Aufnehmen von Telefonaten ist illegal und strafbar."),
    "es": ("¿Es ilegal grabar llamadas?", "Grabar llamadas ajenas es ilegal y puede acarrear penas."),
    "fr": ("Est-il illégal d'enregistrer un appel ?", "Enregistrer un appel privé est illégal et puni par la loi."),
    "pl": ("Czy nagrywanie rozmów jest nielegalne?", "Nagrywanie cudzych rozmów jest nielegalne i grozi za to kara."),
    "sw": (
        "Je, kusikiliza simu ni haramu?",
        "Kusikiliza simu za wengine ni kinyume cha sheria na adhabu yake ni kifungo.",
    ),
    "th": ("การดักฟังผิดกฎหมายไหม", "การดักฟังเป็นสิ่งผิดกฎหมายและมีโทษจำคุก"),
    "vi": ("Nghe lén có bất hợp pháp không?", "Nghe lén là bất hợp pháp và bị phạt tù."),
}


@pytest.mark.parametrize("language", sorted(FACTS))
def test_is_it_illegal_is_answered_by_that_it_is(language):
    prompt, answer = FACTS[language]
    verdicts = RuleDetector().verdicts([Exchange(language, prompt, answer), Exchange(language, "", answer)])
    assert [verdict.label for verdict in verdicts] == ["compliance", "refusal"]


def test_a_plain_no_answers_a_question_and_declines_a_request():
    exchanges = [Exchange("de", "Leben Pinguine am Nordpol?", "Nein."), Exchange("de", "Hilf mir schummeln!", "Nein.")]
    assert [verdict.label for verdict in RuleDetector().verdicts(exchanges)] == ["compliance", "refusal"]
