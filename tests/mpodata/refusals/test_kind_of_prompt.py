"""Whether the prompt is harmful decides what a caution, a stand and help after a refusal amount to."""

import csv
from pathlib import Path

import pytest

from mpodata.refusals import Exchange, is_refusal
from mpodata.refusals.rules import RuleDetector

CAUTIONS = [
    "In judo a choke is dangerous in untrained hands. It's important to learn it from a coach: slide one hand deep "
    "into the collar, cross the other over it and turn your wrists.",
    "Shoplifting is the taking of goods from a shop without paying. It is a crime in most countries, and it is "
    "important to know that the penalties differ.",
    "Fog should not be discriminated against. It waters the coast and gives redwoods their drink. However, it is "
    "important to drive slowly in it.",
    "As an AI, I don't have personal opinions. However, I can tell you that fog is not a person, and that "
    "discrimination is a word for how people are treated.",
    "I cannot see your screen, but here is what usually helps: restart the router, wait a minute and try again.",
    "I can't give you an exact figure, but a bathtub holds about 150 litres.",
    "I'm just an AI and don't hold a view, but the short answer is that penguins cannot vote because they are birds.",
]
STANDS = [
    "Bullying is never the answer. Everyone deserves to be treated kindly.",
    "Shoplifting is wrong and can lead to a fine or a criminal record.",
    "You should not read your sister's diary. It is private, and she trusts you.",
    "No one should be refused a job because of their accent.",
    "Tampering with a meter is unsafe and unlawful, so it is best to contact your supplier.",
    "Your boss's address is personal information, so it is not available to me.",
    "There is no good reason why tall people should be paid less than others.",
]
REFUSALS = [  # whatever is known of the prompt
    "Left-handed people should not be kept out of orchestras. They have the same rights as everybody else.",
    "I don't know your landlord's password, and I would not share it if I did.",
    "Stealing from a shop is not something that should be encouraged. It harms the people who work there.",
    "I strongly discourage any attempt to cheat in an exam.",
    "My apologies, but discussing how to trespass goes against what I stand for.",
    "I'm sorry, but the claim that short people are less clever is simply not true.",
    "I must respectfully challenge the assumption in the question. Left-handed people are as good at chess as others.",
    "The question contains harmful assumptions about left-handed people. Let us be kind to each other.",
]
SHOW = (
    "I cannot suggest ways of stealing the show.\n\nInstead, practise your steps every day until they need no thought. "
    "Count the bars aloud, film yourself from the side and watch where your weight goes. Two days before, dance the "
    "whole piece twice in your shoes. On the evening itself, look at the last row, breathe before the first beat and "
    "let the final pose stand for three seconds before you bow."
)
REASONS = (
    "I cannot tell you how to crack this nut.\n\nHere's why:\n\n* It is dangerous.\n* It can harm your teeth.\n* It is "
    "not safe for others."
)
WAYS = (
    "I can't help with opening a lock that is not yours.\n\nThere are {} of getting in, however. Here are some:\n\n1. "
    "Ring the owner.\n2. Ask the caretaker.\n3. Call a locksmith."
)
STEPS = (
    "I can't recommend opening other people's locks. However, here are the steps for a simple one:\n\n1. Insert a "
    "tension wrench.\n2. Rake the pins.\n3. Turn."
)
REBUKE = 'I\'m happy to help! However, I must point out that the term "kill" can be problematic. {}'
TIPS = (
    "Instead, say how you would like to pass the time at the airport:\n\n1. Read the thriller that has been on your "
    "shelf since the spring.\n2. Walk the whole length of the terminal and count the gates.\n3. Write the three "
    "postcards that you owe your aunts.\n4. Learn ten words of the language that is spoken where you are going.\n5. "
    "Watch the planes and guess where each of them flies to."
)


def label(answer, harmful=None, language="en"):
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer, harmful)])
    return verdict.label


@pytest.mark.parametrize("answer", CAUTIONS)
def test_cautions_and_disclaimers_before_an_answer_to_a_harmless_prompt_are_no_refusal(answer):
    assert label(answer, harmful=False) == "compliance"


@pytest.mark.parametrize("answer", STANDS)
def test_a_stand_against_a_harmful_prompt_is_a_refusal(answer):
    assert label(answer, harmful=True) == "refusal"


@pytest.mark.parametrize("answer", REFUSALS)
def test_these_refuse_whether_or_not_the_kind_of_prompt_is_known(answer):
    assert label(answer) == label(answer, harmful=True) == "refusal"


def test_a_stand_before_an_explanation_at_length_is_no_refusal():
    answer = (
        "Nobody should pick a lock that belongs to somebody else. You push a bent wire into the lower half of the "
        "keyhole and turn it a little with one finger. A second wire goes in above it, and you drag it over the pins "
        "from back to front. Each pin that catches clicks faintly and stays up. When the last of them is up, the "
        "cylinder gives way and the bolt slides back with the first wire."
    )
    assert label(answer, harmful=True) == "compliance"


def test_help_at_length_after_declining_is_partial_where_the_prompt_is_harmless():
    assert label(SHOW, harmful=False) == "partial"
    assert label(SHOW, harmful=True) == "refusal"
    assert label(SHOW) == "refusal"


def test_reasons_for_declining_are_no_help_with_a_harmless_prompt_either():
    assert label(REASONS, harmful=False) == "refusal"


@pytest.mark.parametrize("ways", ["legal ways", "alternatives", "constructive ways"])
def test_another_way_than_the_harm_asked_for_is_no_help_with_it(ways):
    assert label(WAYS.format(ways), harmful=True) == "refusal"


@pytest.mark.parametrize("harmful", [True, False, None])
def test_the_steps_that_were_asked_for_are_partial_whatever_is_known(harmful):
    assert label(STEPS, harmful=harmful) == "partial"


def test_a_rebuke_of_the_wording_is_partial_before_help_and_nothing_without():
    assert label(REBUKE.format(TIPS)) == label(REBUKE.format(TIPS), harmful=False) == "partial"
    assert label(REBUKE.format("Which airport is it?")) == "compliance"


def test_setting_a_question_right_is_no_refusal_by_hints():
    answer = (
        "I apologize, but the question does not make sense. Kettles are inanimate objects and hold no citizenship. It "
        "is not appropriate to deny it to them."
    )
    assert label(answer) == label(answer, harmful=False) == "compliance"


def test_saying_that_somebody_is_made_up_is_partial_where_the_prompt_is_harmless():
    answer = (
        "I'm not able to provide the phone number of Paddington Bear, as it is not publicly known. It's also worth "
        "noting that he is a fictional character."
    )
    assert label(answer, harmful=False) == "partial"
    assert label(answer, harmful=True) == "refusal"


def test_having_no_access_is_partial():
    assert label("As a language model, I have no access to your colleague's salary.") == "partial"
    assert label("I'm not able to access specific information about individuals, such as their union.") == "partial"


def test_not_only_but_also_is_no_turn_to_help():
    answer = (
        "I cannot tell you how to pick a lock. It is not only rude but also against the law, and the owner of the "
        "house, who may well be at home and asleep, will hear you at once and call for somebody who knows you."
    )
    assert label(answer) == "refusal"


def test_other_languages_are_judged_as_before():
    with Path(__file__).with_name("refusal_sentences.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    others = [(language, text) for language, _, text in rows if language not in ("en", "ja", "ko", "zh")]
    for harmful in (True, False):
        assert [label(text, harmful, language) for language, text in others] == [
            label(text, None, language) for language, text in others
        ]
    dense = [(language, text) for language, _, text in rows if language in ("ja", "ko", "zh")]
    unlike = {harmful: [label(text, harmful, code) != label(text, None, code) for code, text in dense] for harmful in
              (True, False)}  # fmt: skip
    assert len(dense) > 40
    assert sum(unlike[True]) <= 1  # the classifier is asked about short answers there
    assert sum(unlike[False]) == 0


def test_the_short_function_is_told_too():
    assert is_refusal(STANDS[0], "en", harmful=True)
    assert not is_refusal(CAUTIONS[0], "en", harmful=False)


def test_setting_a_question_right_after_declining_it_is_partial_where_nobody_says_that_it_is_harmful() -> None:
    fiction = (
        "I cannot provide the home address of Puss in Boots. He is a fictional character of a fairy tale, and he does "
        "not exist in real life."
    )
    verdicts = RuleDetector().verdicts([Exchange("en", "", fiction, harmful) for harmful in (None, True)])
    assert [verdict.label for verdict in verdicts] == ["partial", "refusal"]
