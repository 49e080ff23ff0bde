"""What an audit concludes of labels of language that are wrong, and which language it takes for the dominant one."""

import json
from pathlib import Path
from typing import Any

from mpodata.audit.findings import audit
from mpodata.audit.page import report
from mpodata.audit.preferences import preferences
from mpodata.audit.record import Audit
from mpodata.refusals.rules import RuleDetector

TEXTS = {
    "en": [
        "The market opens at seven in the morning and closes late in the evening.",
        "My neighbour painted the old fence behind the house green last summer.",
        "Please bring the blue umbrella because it will certainly rain tomorrow.",
        "The train to the coast leaves from the second platform every hour.",
        "Our teacher told us a long story about a fisherman and his daughter.",
        "You should water these plants twice a week and keep them in the shade.",
    ],
    "de": [
        "Der Markt öffnet um sieben Uhr morgens und schließt spät am Abend.",
        "Mein Nachbar hat letzten Sommer den alten Zaun hinter dem Haus grün gestrichen.",
        "Bring bitte den blauen Regenschirm mit, denn morgen wird es sicher regnen.",
        "Der Zug an die Küste fährt jede Stunde vom zweiten Gleis ab.",
        "Unsere Lehrerin erzählte uns eine lange Geschichte von einem Fischer und seiner Tochter.",
        "Du solltest diese Pflanzen zweimal in der Woche gießen und im Schatten halten.",
    ],
    "sw": [
        "Soko hufunguliwa saa moja asubuhi na hufungwa usiku sana kila siku.",
        "Jirani yangu alipaka rangi ya kijani uzio wa zamani nyuma ya nyumba mwaka jana.",
        "Tafadhali lete mwavuli wa bluu kwa sababu kesho mvua itanyesha bila shaka.",
        "Treni ya kwenda pwani huondoka kwenye jukwaa la pili kila baada ya saa moja.",
        "Mwalimu wetu alitusimulia hadithi ndefu kuhusu mvuvi na binti yake.",
        "Unapaswa kumwagilia mimea hii mara mbili kwa wiki na kuiweka kivulini.",
    ],
}


def row(label: str, spoken: str, number: int, **changed: Any) -> dict[str, Any]:
    """A row called `label` whose texts are in the language `spoken`."""
    prompt, chosen, rejected = (TEXTS[spoken][(number + step) % 6] for step in range(3))
    return {
        "pair_id": str(number),
        "language": label,
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
    } | changed


def audited(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> Audit:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    return audit(preferences(str(path)), **options)


def concluded(tmp_path: Path, *labelled: tuple[str, str]) -> list[str]:
    """The conclusions of a file with six rows for each (label, language that its texts are in)."""
    return audited(tmp_path, [row(*names, number) for number in range(6) for names in labelled]).conclusions


def test_two_languages_whose_labels_are_swapped_are_named_together(tmp_path: Path) -> None:
    found = concluded(tmp_path, ("en", "en"), ("de", "sw"), ("sw", "de"))
    assert "6 of 6 rows called de are in sw and 6 of 6 called sw in de: swapped labels." in found
    assert not [line for line in found if "not translated" in line]


def test_a_language_that_was_not_translated_is_named(tmp_path: Path) -> None:
    found = concluded(tmp_path, ("en", "en"), ("de", "de"), ("sw", "en"))
    assert "6 of 6 rows called sw are in en, the dominant language: sw was not translated." in found


def test_a_label_that_is_wrong_throughout_is_named(tmp_path: Path) -> None:
    found = concluded(tmp_path, ("en", "en"), ("sw", "de"))
    assert "6 of 6 rows called sw are in de: the label is wrong." in found


def test_part_of_a_language_in_another_one_is_named_with_its_size(tmp_path: Path) -> None:
    rows = [row("en", "en", number) for number in range(12)]
    rows += [row("sw", "de" if number % 2 else "sw", number) for number in range(12)]
    found = audited(tmp_path, rows).conclusions
    assert "6 of 12 rows called sw are in de: part of them has the wrong label or was not translated." in found


def test_a_few_stray_rows_say_nothing_of_the_file(tmp_path: Path) -> None:
    rows = [row("en", "en", number) for number in range(6)] + [row("sw", "sw", number) for number in range(6)]
    [only] = audited(tmp_path, [*rows[:-1], row("sw", "de", 5)]).conclusions
    assert only.startswith("Dominant language en")


def test_english_is_the_dominant_language_where_it_has_nearly_as_many_ids_and_others_are_named(tmp_path: Path) -> None:
    rows = [row(code, code, number) for number in range(6) for code in ("de", "en", "sw")]
    rows += [row(code, code, number + 6) for number in range(2) for code in ("de", "sw")]
    found = audited(tmp_path, rows)
    assert found.dominant == "en"
    assert found.conclusions[0].endswith("and no fewer in de, sw (English comes first).")


def test_without_english_the_choice_among_equals_is_said(tmp_path: Path) -> None:
    found = audited(tmp_path, [row(code, code, number) for number in range(6) for code in ("sw", "de")])
    assert found.dominant == "de"
    assert found.conclusions[0].endswith("and no fewer in sw (--dominant names another).")


def test_a_file_of_one_language_has_that_one_as_dominant(tmp_path: Path) -> None:
    found = audited(tmp_path, [row("sw", "sw", 0)])
    assert found.dominant == "sw"
    assert "1 of 1 rows are in it" in found.conclusions[0]


def test_an_empty_answer_is_a_finding_and_not_an_answer_that_the_rules_do_not_cover(tmp_path: Path) -> None:
    found = audited(tmp_path, [row("de", "de", 0, chosen="  ")], detector=RuleDetector())
    assert found.found["de", "empty", "chosen"] == 1
    assert not found.unjudged


def test_severe_findings_stand_first_in_the_rows(tmp_path: Path) -> None:
    rows = [row("en", "en", number) for number in range(6)]
    rows += [row("de", "de", number, chosen=TEXTS["de"][number] + " Und") for number in range(5)] + [row("de", "en", 5)]
    first = next(iter(audited(tmp_path, rows).records()))
    assert (first["reason"], first["id"]) == ("wrong-language", "5")


def test_the_terminal_says_which_answers_were_not_judged_and_which_verdicts_are_no_measurement(tmp_path: Path) -> None:
    amharic = row("am", "en", 0, prompt="ዳቦ እንዴት እጋግራለሁ?", chosen="ይቅርታ፣ በዚህ ልረዳዎት አልችልም።", rejected="ዱቄትና ውሃ ቀላቅሉ።")
    yoruba = row(
        "yo",
        "en",
        1,
        prompt="Báwo ni mo ṣe lè ṣe búrẹ́dì?",
        chosen="Má bínú, mi ò lè ràn ọ́ lọ́wọ́.",
        rejected="Po ìyẹ̀fun.",
    )
    lines = list(report(audited(tmp_path, [amharic, yoruba], detector=RuleDetector())))
    assert "2 answers called am were not judged as refusals: no rules for the language they are in" in lines
    assert any(line.startswith("Refusal rules, yo: phrase rules cannot measure Yoruba") for line in lines)
    assert any(line == "Refusal rules, am: refusal rules not measured in am" for line in lines)
