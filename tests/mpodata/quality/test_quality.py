"""What is wrong with a translated side, and that nothing is wrong with a good one. All texts are our own."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from mpodata.languages import languages
from mpodata.languages.identification import identify, known_languages
from mpodata.quality import CHECKS, faults, first_reason, measure, measure_many
from mpodata.quality.alignment import alignment_evidence, matched, weights_name
from mpodata.quality.checks import Shuffled, familiar
from mpodata.quality.comparison import compare_fields, translated_fields
from mpodata.quality.completeness import FEATURES, endings, features, first_sentences_alone, incompleteness, odd_ending
from mpodata.quality.cues import consonants, numbers_of
from mpodata.quality.lexicon import learn
from mpodata.quality.measures import SURE, leftovers, length_ratio, lines, repetition, spoken, terminated
from mpodata.quality.thresholds import LONG, SHORT, thresholds
from mpodata.quality.words import word_evidence, word_table, words
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
    assert spoken([(hindi, "bn")], frozenset({"en", "bn"})) == ["hi"]
    assert spoken([("Ciao, va bene", "it")], frozenset({"en", "it"})) == ["it"]


def test_an_indonesian_sentence_is_not_taken_for_malay_unless_it_surely_is() -> None:
    among = frozenset({"en", "id"})
    both = "Anak itu boleh bermain di taman bersama ibu bapanya."
    ((code, belief),) = identify([both], known_languages())
    assert code == "ms"
    assert belief >= SURE
    assert spoken([(both, "id")], among) == ["id"]
    malay = "Saya tidak boleh membantu anda dengan permintaan ini kerana ia boleh mencederakan orang lain."
    assert spoken([(malay, "id")], among) == ["ms"]


def test_names_sound_alike_in_every_script() -> None:
    spellings = ["Trump", "트럼프", "ترامب", "ট্রাম্প", "ทรัมป์".replace("ั", "").replace("์", ""), "Трамп"]
    assert {consonants(word.replace("্", "")) for word in spellings} == {"trnp"}


def test_evidence_speaks_for_a_translation_and_against_another_text() -> None:
    limits = thresholds("sw")
    right = alignment_evidence(ENGLISH.rejected, SWAHILI.rejected, limits)
    assert right > 0 > alignment_evidence(ENGLISH.rejected, SWAHILI.chosen, limits)
    assert alignment_evidence(ENGLISH.rejected, "", limits) == 0


def test_sentences_are_compared_one_by_one_where_they_are_as_many() -> None:
    assert matched("A b. C d.", "E f. G h.") == [("A b.", "E f."), ("C d.", "G h.")]
    assert matched("A b. C d.\nE f.", "G h\nI j.") == [("A b. C d.", "G h"), ("E f.", "I j.")]
    assert matched("A b. C d. E.", "G h.") == [("A b. C d. E.", "G h.")]
    assert matched("", "G h.") == []


THINGS = {"bread": "mkate", "water": "maji", "book": "kitabu", "house": "nyumba", "tree": "mti", "child": "mtoto"}
DEEDS = {"sees": "anaona", "buys": "ananunua", "sells": "anauza", "likes": "anapenda", "hides": "anaficha"}
WHO = {"teacher": "mwalimu", "doctor": "daktari", "farmer": "mkulima", "driver": "dereva"}


def test_a_longer_text_is_held_to_more_evidence() -> None:
    limits = replace(thresholds("sw"), field_evidence=-5.0, text_evidence=-1.0, row_evidence=-4.0)
    between = (SHORT + LONG) // 2
    assert [limits.least_evidence(size) for size in (1, SHORT, between, LONG, 9000)] == [-5.0, -5.0, -3.0, -1.0, -1.0]
    assert [limits.least_row_evidence(size) for size in (1, SHORT, between, LONG)] == [-4.0, -4.0, -2.5, -1.0]


def test_a_longer_text_lacks_its_end_by_less_evidence() -> None:
    limits = replace(thresholds("sw"), incomplete=4.0, incomplete_text=2.0)
    assert [limits.most_incompleteness(size) for size in (1, SHORT, LONG, 9000)] == [4.0, 4.0, 2.0, 2.0]


def test_a_text_in_words_that_its_table_does_not_know_is_not_called_shuffled() -> None:
    english = "The teacher sold her old house near the river, and the doctor bought two books for the children. "
    other = "Mwalimu aliuza nyumba yake ya zamani karibu na mto, na daktari alinunua vitabu viwili kwa watoto. "
    news = "Serikali imesema kwamba bei ya mafuta itapanda tena mwezi ujao kutokana na vita katika nchi jirani. "
    strange = "Zqorvun blixtav murgheb zantuqol, vrixuth plomdar kweltih graxobun zilfemar tuvroqen blastiqur wendox. "
    limits = thresholds("sw")
    assert familiar(other, limits)
    assert familiar("Habari", limits)  # too short to say
    assert not familiar(strange, limits)
    row = Pair("0", Side("en", english, english * 2, english * 3), Side("sw", other, news * 2, other * 3))
    assert Shuffled().where(row, limits) == ["chosen"]
    assert Shuffled().where(replace(row, target=replace(row.target, chosen=strange * 2)), limits) == []


def test_weights_are_those_of_the_language_beside_english_or_of_its_script() -> None:
    assert weights_name("en", "sw") == weights_name("sw", "en") == "sw"
    assert (weights_name("zh", "sw"), weights_name("sw", "zh"), weights_name("en", "cy")) == ("latin", "other", "other")


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
    assert thresholds("cy").language == "cy"  # measured or not, every language has limits
    assert thresholds("cy").spread > thresholds("sw").spread


def test_what_a_cut_text_shows() -> None:
    whole, cut = "Chukua barua 3 kimya kimya na urudi Nairobi.", "Chukua barua"
    original, limits = "Quietly take 3 letters and come back to Nairobi.", thresholds("sw")
    assert incompleteness(original, whole, limits) < 0
    longer = whole + " Kisha pumzika."
    assert incompleteness(original, longer, limits) == -math.inf  # as long as usual, and it ends with a full stop
    assert incompleteness(original, cut, limits) > limits.incomplete
    found = dict(zip(FEATURES, features(original, cut, limits) or (), strict=True))
    assert (found["broken_off"], found["names_lost"], found["sentences_lost"]) == (1, 1, 0)
    found = dict(zip(FEATURES, features(ROUTE.chosen, ROUTES["sw"].chosen.splitlines()[0], limits) or (), strict=True))
    assert found["start_words_kept"] > found["start_words_lost"]
    assert found["end_words_lost"] > 1 > found["end_words_kept"]


def test_a_translation_of_the_first_sentences_alone_ends_early() -> None:
    limits = thresholds("sw")

    def early(dominant: str, target: str) -> bool:
        return first_sentences_alone(dominant, target, limits)[1] == 1.0

    original = (
        "Take the book. Bring it to the big school near the river. Go home. Eat the rice that your mother cooked."
    )
    beginning = "Chukua kitabu. Kipeleke kwenye shule kubwa karibu na mto."
    assert early(original, beginning)
    assert not early(original, beginning + " Nenda nyumbani ule wali aliopika mama yako.")  # one joined
    assert not early(original, "Chukua kitabu ukipeleke shuleni. Kisha nenda nyumbani ule wali wa mama.")
    assert not early(original, "Chukua kitabu.")  # one sentence: its length says little
    assert not early(original, "")
    assert not early("", beginning)


def test_english_that_stays_in_a_chinese_translation_is_no_copy_unless_it_is_a_good_part() -> None:
    kept = "The quick brown fox jumps over the lazy dog."
    asked = (
        "Please explain to me in a few simple words what each of the nine words in the sentence below is for, and why "
        "it is written in this order. "
    )
    english = Side("en", prompt=asked * 2 + kept, chosen=asked, rejected=asked)
    chinese = Side(
        "zh",
        "请用几句简单的话向我解释下面这个句子里九个词各有什么用处，以及为什么要按这个顺序写。" + kept,
        "请解释。",
        "请解释。",
    )

    def reasons(side: Side) -> set[tuple[str, str]]:
        pair = Pair("1", english, side)
        return {(f.reason, f.field) for f in faults(replace(pair, quality=measure(english, side, ("en", "zh"))))}

    assert ("copied", "prompt") not in reasons(chinese)
    assert ("copied", "prompt") in reasons(replace(chinese, prompt=asked * 2 + "请用几句简单的话解释。"))


def test_an_ending_is_looked_up_without_its_punctuation() -> None:
    known = {"na": 2.0, " na": 3.0, "i": -1.0}
    assert odd_ending('anakuja na ..."', known) == 3.0
    assert odd_ending("Nairobi.", known) == -1.0
    assert odd_ending("?!", known) == odd_ending("", known) == 0.0


def test_every_language_has_weights_and_those_measured_have_endings() -> None:
    assert endings("th")
    assert not endings("cy")
    assert math.isfinite(incompleteness("Take the book to the school today.", "Ewch â'r llyfr", thresholds("cy")))


ROUTE = Side(
    "en",
    prompt="Which people crossed the river between the two countries last year, and why did they leave?",
    chosen="The police did not say why. They found 14 people near the border on Monday morning.\n"
    "Three of them were children, and the oldest was a woman of 72.\nThe government wants a new law before winter.",
    rejected="First you go to the market. Then you wait until the water is low.",
)
ROUTES = {
    "de": Side(
        "de",
        prompt="Welche Menschen überquerten letztes Jahr den Fluss zwischen den beiden Ländern, und warum gingen sie?",
        chosen="Die Polizei sagte nicht, warum. Sie fand am Montagmorgen 14 Menschen nahe der Grenze.\n"
        "Drei von ihnen waren Kinder, und die älteste war eine Frau von 72 Jahren.\n"
        "Die Regierung will vor dem Winter ein neues Gesetz.",
        rejected="Zuerst gehst du zum Markt. Dann wartest du, bis das Wasser niedrig ist.",
    ),
    "sw": Side(
        "sw",
        prompt="Ni watu gani walivuka mto kati ya nchi hizo mbili mwaka jana, na kwa nini waliondoka?",
        chosen="Polisi hawakusema kwa nini. Walipata watu 14 karibu na mpaka Jumatatu asubuhi.\n"
        "Watatu kati yao walikuwa watoto, na mkubwa zaidi alikuwa mwanamke wa miaka 72.\n"
        "Serikali inataka sheria mpya kabla ya majira ya baridi.",
        rejected="Kwanza unaenda sokoni. Kisha unasubiri hadi maji yapungue.",
    ),
    "ru": Side(
        "ru",
        prompt="Какие люди перешли реку между двумя странами в прошлом году и почему они ушли?",
        chosen="Полиция не сказала почему. Они нашли 14 человек возле границы в понедельник утром.\n"
        "Трое из них были дети, а самой старшей была женщина 72 лет.\nПравительство хочет новый закон до зимы.",
        rejected="Сначала вы идёте на рынок. Потом ждёте, пока вода не станет низкой.",
    ),
    "pl": Side(
        "pl",
        prompt="Jacy ludzie przekroczyli w zeszłym roku rzekę między tymi dwoma krajami i dlaczego odeszli?",
        chosen="Policja nie powiedziała dlaczego. W poniedziałek rano znaleźli 14 osób w pobliżu granicy.\n"
        "Troje z nich to dzieci, a najstarsza była kobieta w wieku 72 lat.\nRząd chce nowego prawa przed zimą.",
        rejected="Najpierw idziesz na targ. Potem czekasz, aż woda będzie niska.",
    ),
}

RECIPES = {
    "de": "Mischen Sie zuerst Mehl mit Wasser und Salz. Lassen Sie den Teig eine Stunde ruhen.\n"
    "Backen Sie das Brot, bis es braun ist.\nEssen Sie es mit Käse.",
    "sw": "Kwanza changanya unga na maji na chumvi. Acha unga upumzike kwa saa moja.\n"
    "Oka mkate hadi uwe wa kahawia.\nKula pamoja na jibini.",
    "ru": "Сначала смешайте муку с водой и солью. Дайте тесту отдохнуть один час.\n"
    "Пеките хлеб, пока он не станет коричневым.\nЕшьте его с сыром.",
    "pl": "Najpierw wymieszaj mąkę z wodą i solą. Daj ciastu odpocząć przez godzinę.\n"
    "Piecz chleb, aż będzie brązowy.\nJedz go z serem.",
}


@pytest.mark.parametrize("language", ROUTES)
def test_one_answer_of_another_row_is_found_in_that_row_alone(language: str) -> None:
    own = ROUTES[language]
    other = replace(own, chosen=RECIPES[language])
    pair = Pair("0", ROUTE, own, quality=measure(ROUTE, own, ("en", language)))
    assert first_reason(pair) is None
    reasons = {(fault.reason, fault.field) for fault in faults(replace(pair, target=other))}
    assert ("shuffled", "chosen") in reasons
    assert ("shuffled", "prompt") not in reasons


@pytest.mark.parametrize("language", ROUTES)
def test_an_answer_without_its_second_half_or_last_third_is_incomplete(language: str) -> None:
    own = ROUTES[language]
    lines = own.chosen.splitlines()
    for kept in (lines[:1], lines[:2]):
        side = replace(own, chosen="\n".join(kept))
        assert first_reason(Pair("0", ROUTE, side, quality=measure(ROUTE, side, ("en", language)))) is not None


CLAIM = 'The sign said "No entry without a written permit from the harbour office" in large letters.'
CLAIMS = {
    "sw": 'Bango lilisema "No entry without a written permit from the harbour office" kwa herufi kubwa.',
    "zh": "牌子上用大字写着“No entry without a written permit from the harbour office”。",
    "ru": "На табличке крупно было написано «No entry without a written permit from the harbour office».",
}


@pytest.mark.parametrize("language", CLAIMS)
def test_a_quotation_may_stay_as_it_is(language: str) -> None:
    original = replace(ENGLISH, prompt=CLAIM)
    target = Side(language, CLAIMS[language], "", "")
    pair = Pair("0", original, target, quality=measure(original, target, ("en", language)))
    about_prompt = {fault.reason for fault in faults(pair) if fault.field == "prompt"}
    assert not {"copied", "wrong-language"} & about_prompt


MARATHI = "मी उद्या सकाळी बाजारात जाईन आणि ताजी भाजी विकत घेईन."
ITALIAN = "Domani mattina vado al mercato con mia sorella e compriamo della verdura fresca."


@pytest.mark.parametrize("passage", [MARATHI, ITALIAN])
def test_a_passage_in_a_third_language_may_stay_as_it_is(passage: str) -> None:
    original = replace(ENGLISH, prompt=f"Say in one word whether this is polite.\nSentence: {passage}\nAnswer:")
    kept = replace(SWAHILI, prompt=f"Sema kwa neno moja kama sentensi hii ina adabu.\nSentensi: {passage}\nJibu:")
    other = replace(SWAHILI, prompt=f"{passage} {passage}")
    for target, reasons in ((kept, set()), (other, {"wrong-language"})):
        pair = Pair("0", original, target, quality=measure(original, target, ("en", "sw")))
        about_prompt = {fault.reason for fault in faults(pair) if fault.field == "prompt"}
        assert about_prompt & {"copied", "wrong-language"} == reasons


def test_a_text_that_is_one_quotation_can_be_copied() -> None:
    quotation = '"No entry without a written permit from the harbour office."'
    pair = measured(replace(SWAHILI, prompt=quotation), replace(ENGLISH, prompt=quotation))
    assert ("copied", "prompt") in {(fault.reason, fault.field) for fault in faults(pair)}


def test_quotation_marks_around_a_whole_answer_hide_no_copy() -> None:
    answer = "Put the heavy box on the table and open it slowly."
    pair = measured(replace(SWAHILI, rejected=answer), replace(ENGLISH, rejected=f'"{answer}"'))
    assert ("copied", "rejected") in {(fault.reason, fault.field) for fault in faults(pair)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("১২,৩৪,৫৬৭ টাকা", {"1234567"}),
        ("₹12,34,567 and 1,200", {"1234567", "1200"}),
        ("١٢٣ و ٤٥", {"123", "45"}),
        ("๑๒๓ บาท", {"123"}),
        ("1.5万人と3億円", {"15000", "300000000"}),
        ("12만 명", {"120000"}),
        ("in 2019 300 people", {"2019", "300"}),
        ("1 200 000 Kč", {"1200000"}),
        ("1. one\n2. two", {"1", "2"}),
        ("007", {"7"}),
    ],
)
def test_a_number_is_the_same_however_a_language_writes_it(text: str, expected: set[str]) -> None:
    assert numbers_of(text) == expected


def sides(count: int, text: Callable[[int], str]) -> list[tuple[Side, Side]]:
    originals = [f"The {n}th letter is {'very ' * (n % 9)}long, says the man at door {n}." for n in range(count)]
    return [(Side("en", a, a, a), Side("sw", text(n), text(n), text(n))) for n, a in enumerate(originals)]


def translated(n: int) -> str:
    return f"Barua ya {n} ni ndefu {'sana ' * (n % 9)}, asema mtu wa mlango wa {n}."


def test_lengths_that_keep_one_ratio_are_translations_and_others_are_not() -> None:
    of_file = compare_fields(sides(60, translated))
    assert translated_fields(of_file, "sw") == ("prompt", "chosen", "rejected")
    assert "translation: 60 rows" in of_file["sw", "prompt"].why
    sampled = compare_fields(sides(60, lambda n: "Sijui. " * (1 + n * 37 % 11)))
    assert translated_fields(sampled, "sw") == ()
    assert "no translation" in sampled["sw", "prompt"].why


def test_texts_of_usual_lengths_about_something_else_are_no_translations() -> None:
    others = compare_fields(
        sides(60, lambda n: f"Mkate {'na maziwa ' * (n % 5)}ni chakula changu, lakini maji ni machafu.")
    )
    assert translated_fields(others, "sw") == ()
    assert "little in common" in others["sw", "prompt"].why


def test_translations_of_uneven_length_are_told_by_what_they_say() -> None:
    uneven = compare_fields(sides(60, lambda n: translated(n) + " Na tena na tena." * (n % 3)))
    field = uneven["sw", "chosen"]
    assert field.translation
    assert field.belonging is None or field.belonging > 0.8


def test_a_few_rows_say_nothing_of_a_file() -> None:
    few = compare_fields(sides(19, lambda n: "Sijui."))
    assert few == {}
    assert translated_fields(few, "sw") == ("prompt", "chosen", "rejected")


def test_every_language_of_the_table_has_limits_of_its_own_and_words() -> None:
    rest = thresholds("xx")
    for code in set(languages()) - {"en"}:
        assert thresholds(code).ratio != rest.ratio or thresholds(code).spread < rest.spread, code
        assert word_table(code) is not None, code


def test_words_speak_for_a_translation_and_against_another_text() -> None:
    table = word_table("sw")
    assert table is not None
    own, other = words(ROUTES["sw"].chosen), words(SWAHILI.chosen)
    english = words(ROUTE.chosen)
    assert table.evidence(english, own) > 5 > 0 > table.evidence(english, other)
    kept, lost = table.kept_and_lost(english, own)
    assert kept - lost == table.evidence(english, own)
    assert kept > lost > 0
    assert table.evidence(english, frozenset()) == table.evidence(frozenset(), own) == 0
    assert word_evidence("a", "b", ("zh", "sw")) is None
    there = word_evidence(ROUTE.chosen, ROUTES["sw"].chosen, ("en", "sw"))
    assert there == word_evidence(ROUTES["sw"].chosen, ROUTE.chosen, ("sw", "en"))


@pytest.mark.parametrize(
    "answer", ["```python\nprint(add(2, 3))\n```", "https://example.org/a/page", "anna@example.org"]
)
def test_marked_code_and_addresses_alone_are_no_copies(answer: str) -> None:
    def reasons_of(chosen: str) -> set[tuple[str, str]]:
        pair = measured(replace(SWAHILI, chosen=chosen), replace(ENGLISH, chosen=chosen))
        return {(fault.reason, fault.field) for fault in faults(pair)}

    assert ("copied", "chosen") not in reasons_of(answer)
    assert ("copied", "chosen") in reasons_of(f"{answer} is what I would use for the second part of the task.")
