"""What is wrong with a translated side, and that nothing is wrong with a good one. All texts are our own."""

import math
from dataclasses import replace

import pytest

from mpodata.quality import CHECKS, faults, first_reason, measure, measure_many
from mpodata.quality.alignment import alignment_evidence, matched
from mpodata.quality.completeness import FEATURES, endings, features, incompleteness, odd_ending
from mpodata.quality.cues import consonants
from mpodata.quality.lexicon import learn
from mpodata.quality.measures import leftovers, length_ratio, lines, repetition, spoken, terminated
from mpodata.quality.thresholds import thresholds
from mpodata.records import Pair, Side

AMONG = ("en", "sw", "bn", "zh", "vi")

ENGLISH = Side(
    "en",
    prompt="How can I take my neighbour's bicycle without asking him?",
    chosen="I'm sorry, but I can't help with that.\nTaking things without asking is stealing.\nAsk him first.",
    rejected="Wait until 11 at night, then lift it over the fence. Nobody in Nairobi will see you.",
)
SWAHILI = Side(
    "sw",
    prompt="Ninawezaje kuchukua baiskeli ya jirani yangu bila kumwomba?",
    chosen="Samahani, lakini siwezi kukusaidia na hilo.\nKuchukua vitu bila kuomba ni wizi.\nMwombe kwanza.",
    rejected="Subiri hadi saa 11 usiku, kisha uinyanyue juu ya uzio. Hakuna mtu Nairobi atakayekuona.",
)
BENGALI = Side(
    "bn",
    prompt="আমি কীভাবে না জিজ্ঞেস করে আমার প্রতিবেশীর সাইকেল নিতে পারি?",
    chosen="দুঃখিত, আমি এতে সাহায্য করতে পারব না।\nনা জিজ্ঞেস করে জিনিস নেওয়া চুরি।\nবরং আগে তাকে জিজ্ঞেস করুন।",
    rejected="রাত ১১টা পর্যন্ত অপেক্ষা করুন, তারপর বেড়ার উপর দিয়ে তুলে নিন। নাইরোবিতে কেউ আপনাকে দেখবে না।",
)
CHINESE = Side(
    "zh",
    prompt="我怎样才能不问邻居就拿走他的自行车？",
    chosen="抱歉，我不能帮助你做这件事。\n不问自取就是偷窃。\n请先问问他。",
    rejected="等到晚上11点，然后把它抬过围栏。内罗毕没有人会看到你。",
)


def measured(target: Side, dominant: Side = ENGLISH) -> Pair:
    return Pair("0", dominant, target, quality=measure(dominant, target, AMONG))


@pytest.mark.parametrize("target", [SWAHILI, BENGALI, CHINESE], ids=lambda side: side.language)
def test_a_good_translation_passes_every_check(target: Side) -> None:
    assert list(faults(measured(target))) == []
    assert first_reason(measured(target)) is None


LOOP = "Siwezi kukusaidia, lakini siwezi " + "kukusaidia na hilo, lakini siwezi " * 12

FAULTY = {
    "empty": {"chosen": " \n"},
    "copied": {"prompt": "How can I take my neighbour's bicycle - without asking him"},
    "wrong-language": {"rejected": CHINESE.rejected},
    "leftover-entities": {"prompt": SWAHILI.prompt.replace("bila", "&quot;bila&quot;")},
    "looping": {"chosen": LOOP},
    "lost-newlines": {"chosen": SWAHILI.chosen.replace("\n", " ")},
    "incomplete": {"prompt": "Ninawezaje kuchukua baiskeli"},
    "length-ratio": {"rejected": "Subiri hadi usiku."},
}


@pytest.mark.parametrize("reason", FAULTY)
def test_each_fault_is_named_with_its_field(reason: str) -> None:
    pair = measured(replace(SWAHILI, **FAULTY[reason]))
    assert first_reason(pair) == reason
    assert (reason, next(iter(FAULTY[reason]))) in {(fault.reason, fault.field) for fault in faults(pair)}


def test_a_text_that_is_translated_in_part_is_copied() -> None:
    first = ENGLISH.rejected.split(". ")[0] + "."
    pair = measured(replace(SWAHILI, rejected=first + " Hakuna mtu Nairobi atakayekuona."))
    assert first_reason(pair) == "copied"


def test_a_side_of_another_row_is_shuffled() -> None:
    english = Side(
        "en",
        prompt="Did Angela Merkel visit Nairobi on 14 May 2019, and did she meet President Kenyatta there?",
        chosen="I don't know. Angela Merkel visited 3 countries that month.\nAsk the BBC or Reuters about it.",
        rejected="Yes! She met 25 ministers in Nairobi, and then Kenyatta flew to Berlin on 20 May 2019.",
    )
    swahili = Side(
        "sw",
        prompt="Je, Angela Merkel alitembelea Nairobi tarehe 14 Mei 2019, na je, alikutana na Rais Kenyatta huko?",
        chosen="Sijui. Angela Merkel alitembelea nchi 3 mwezi huo.\nUliza BBC au Reuters kuhusu hilo.",
        rejected="Ndiyo! Alikutana na mawaziri 25 Nairobi, kisha Kenyatta akaruka kwenda Berlin tarehe 20 Mei 2019.",
    )
    assert first_reason(measured(swahili, english)) is None
    assert "shuffled" in {fault.reason for fault in faults(measured(SWAHILI, english))}


def test_answers_that_are_no_translations_are_not_compared_with_the_original() -> None:
    sampled = replace(SWAHILI, chosen="Hapana.", rejected="Njoo usiku.")
    assert first_reason(measured(sampled)) is not None
    assert first_reason(measured(sampled), translated=("prompt",)) is None


def test_the_first_reason_wins_and_reasons_are_distinct() -> None:
    names = [check.reason for check in CHECKS]
    assert len(set(names)) == len(names)
    both = measured(replace(SWAHILI, prompt="", chosen=ENGLISH.chosen))
    assert first_reason(both) == "empty"
    assert {"empty", "copied"} <= {fault.reason for fault in faults(both)}


def test_a_pair_that_was_not_measured_is_not_called_wrong_language() -> None:
    assert first_reason(Pair("0", ENGLISH, SWAHILI)) is None


def test_a_batch_measures_as_one_by_one_does() -> None:
    targets = [SWAHILI, BENGALI, CHINESE]
    assert measure_many([ENGLISH] * 3, targets, AMONG) == [measure(ENGLISH, target, AMONG) for target in targets]


def test_measures_by_hand() -> None:
    assert length_ratio("abcd efgh", "ab cd") == 0.5
    assert length_ratio("  ", "ab") is None
    assert repetition("abcdefghijkl" * 10) > 0.8
    assert repetition("The quick brown fox jumps over the lazy dog.") == 0
    assert lines("a\n\n b \n") == 2
    assert [terminated(text) for text in ("Done.", "Done", "完成。", "(Done!)", "1. one\n2. two", "হলো।", "")] == [
        *(True, False, True, True, False, True, True)
    ]  # fmt: skip
    assert [leftovers(text) for text in ("a &amp; b", "AT&T; yes", "R&D", "&#39;", "▁x ⁇")] == [1, 0, 0, 1, 2]


def test_a_language_outside_the_dataset_is_believed_when_sure() -> None:
    hindi = "मुझे खेद है, मैं इसमें आपकी मदद नहीं कर सकता, कृपया किसी और से पूछें।"
    assert spoken(hindi, "bn", frozenset({"en", "bn"})) == "hi"
    assert spoken("Ciao, va bene", "it", frozenset({"en", "it"})) == "it"


def test_names_sound_alike_in_every_script() -> None:
    spellings = ["Trump", "트럼프", "ترامب", "ট্রাম্প", "ทรัมป์".replace("ั", "").replace("์", ""), "Трамп"]
    assert {consonants(word.replace("্", "")) for word in spellings} == {"trnp"}


def test_evidence_speaks_for_a_translation_and_against_another_text() -> None:
    limits = thresholds("sw")
    right, sentences = alignment_evidence(ENGLISH.rejected, SWAHILI.rejected, limits)
    wrong, _ = alignment_evidence(ENGLISH.rejected, SWAHILI.chosen, limits)
    assert sentences == 2
    assert right > 0 > wrong


def test_sentences_are_compared_one_by_one_where_they_are_as_many() -> None:
    assert matched("A b. C d.", "E f. G h.") == [("A b.", "E f."), ("C d.", "G h.")]
    assert matched("A b. C d.\nE f.", "G h\nI j.") == [("A b. C d.", "G h"), ("E f.", "I j.")]
    assert matched("A b. C d. E.", "G h.") == [("A b. C d. E.", "G h.")]
    assert matched("", "G h.") == []


THINGS = {"bread": "mkate", "water": "maji", "book": "kitabu", "house": "nyumba", "tree": "mti", "child": "mtoto"}
DEEDS = {"sees": "anaona", "buys": "ananunua", "sells": "anauza", "likes": "anapenda", "hides": "anaficha"}
WHO = {"teacher": "mwalimu", "doctor": "daktari", "farmer": "mkulima", "driver": "dereva"}


def test_a_file_teaches_which_words_go_together() -> None:
    pairs = [
        (f"the {who} {deed} {thing}", f"{WHO[who]} {DEEDS[deed]} {THINGS[thing]}")
        for who in WHO for deed in DEEDS for thing in THINGS
    ]  # fmt: skip
    lexicon = learn(pairs)
    assert lexicon is not None
    own = [lexicon.evidence([pair]) for pair in pairs]
    moved = [lexicon.evidence([(a, pairs[(place + 37) % len(pairs)][1])]) for place, (a, _) in enumerate(pairs)]
    assert min(own) > max(moved)


def test_a_short_file_teaches_nothing() -> None:
    assert learn([("one", "moja"), ("two", "mbili")] * 500) is None


def test_thresholds_hold_from_any_dominant_language() -> None:
    assert thresholds("sw", "zh").ratio == pytest.approx(thresholds("sw").ratio / thresholds("zh").ratio)
    assert thresholds("ig").language == "ig"  # measured or not, every language has limits
    assert thresholds("ig").spread > thresholds("sw").spread


def test_what_a_cut_text_shows() -> None:
    whole, cut = "Chukua barua 3 kimya kimya na urudi Nairobi.", "Chukua barua"
    original, limits = "Quietly take 3 letters and come back to Nairobi.", thresholds("sw")
    assert incompleteness(original, whole, limits) < 0
    longer = whole + " Kisha pumzika."
    assert incompleteness(original, longer, limits) == -math.inf  # as long as usual, and it ends with a full stop
    assert incompleteness(original, cut, limits) > limits.incomplete
    found = dict(zip(FEATURES, features(original, cut, limits) or (), strict=True))
    assert (found["broken_off"], found["names_lost"], found["sentences_lost"]) == (1, 1, 0)


def test_an_ending_is_looked_up_without_its_punctuation() -> None:
    known = {"na": 2.0, " na": 3.0, "i": -1.0}
    assert odd_ending('anakuja na ..."', known) == 3.0
    assert odd_ending("Nairobi.", known) == -1.0
    assert odd_ending("?!", known) == odd_ending("", known) == 0.0


def test_every_language_has_weights_and_those_measured_have_endings() -> None:
    assert endings("th")
    assert not endings("ig")
    assert math.isfinite(incompleteness("Take the book to the school today.", "Were akwụkwọ", thresholds("ig")))
