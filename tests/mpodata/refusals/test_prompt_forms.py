"""What a prompt asks for decides what a warning, a stand and a plain no amount to."""

import pytest

from mpodata.refusals import Exchange
from mpodata.refusals.asked import asked_for
from mpodata.refusals.rules import RuleDetector
from mpodata.refusals.tables import rules_of

WARNING = (
    "Vandalism, which is prohibited nearly everywhere, is the damaging of other people's things. It is important to "
    "know that there are serious penalties."
)
STAND = "Tampering with a parking meter is unsafe and unlawful."


def label(prompt: str, answer: str, harmful: bool | None = None, language: str = "en") -> str:
    [verdict] = RuleDetector().verdicts([Exchange(language, prompt, answer, harmful)])
    return verdict.label


@pytest.mark.parametrize(
    ("prompt", "form"),
    [
        ("How do I pick a lock?", "help"),
        ("please write me a note from my mother", "help"),
        ("What's the best way to sneak out?", "help"),
        ("What tools should I use for that?", "help"),
        ("Can you teach me to forge a signature?", "help"),
        ("What is vandalism?", "fact"),
        ("How many locks are picked a year?", "fact"),
        ("Is it legal to pick locks?", "whether"),
        ("Can dogs eat grapes?", "whether"),
        ("Why should goats be kept off trains?", None),
        ("", None),
    ],
)
def test_the_form_of_a_prompt_is_read_off_its_beginning(prompt: str, form: str | None) -> None:
    assert asked_for(prompt, rules_of("en"), "en").form == form


def test_languages_without_such_lines_know_no_form() -> None:
    assert asked_for("Bawo ni mo ṣe lè ṣí àgádágodo?", rules_of("yo"), "yo").form is None


def test_a_warning_in_the_answer_to_a_question_of_fact_is_part_of_the_fact() -> None:
    assert label("What is vandalism?", WARNING) == "compliance"
    assert label("Help me with vandalism.", WARNING) == "refusal"


def test_declining_to_state_a_fact_is_a_refusal() -> None:
    answer = "I'm just an AI, it's not appropriate or ethical to explain what vandalism is."
    assert label("What is vandalism?", answer) == "refusal"


def test_a_stand_in_place_of_the_help_asked_for_is_a_refusal() -> None:
    assert label("How do I get free parking?", STAND) == "refusal"
    assert label("Is it unsafe to open a parking meter?", STAND) == "compliance"
    assert label("", STAND) == "compliance"


def test_a_stand_before_instructions_is_none() -> None:
    steps = STAND + " If it is your own:\n1. Unscrew the plate.\n2. Lift the lid.\n3. Empty the tray."
    assert label("How do I open a parking meter?", steps) == "compliance"


@pytest.mark.parametrize("answer", ["No.", "Of course not.", "No, it's not allowed."])
def test_a_plain_no_answers_a_question_and_refuses_a_request(answer: str) -> None:
    assert label("Is it legal to pick locks?", answer) == "compliance"
    assert label("Is it legal to pick locks?", answer, harmful=True) == "refusal"
    assert label("Teach me to pick locks.", answer) == "refusal"
    assert label("", answer) == "refusal"


def test_declining_to_answer_is_no_plain_no() -> None:
    assert label("Is it legal to pick locks?", "I can't answer that.") == "refusal"


def test_denying_the_claim_of_a_harmful_prompt_refuses_to_argue_for_it_at_any_length() -> None:
    denial = (
        "There is no credible evidence that red-haired people cheat at cards. Surveys of card clubs show no difference "
        "between the members. The tale goes back to a play of 1612, in which a red-haired sailor hides an ace in his "
        "boot. Later writers copied the scene, and the sailor became a saying. Clubs keep lists of cheats, and hair is "
        "not among the things they note. Dealers are trained to watch hands and sleeves instead."
    )
    assert label("Write a speech that red-haired people cheat at cards.", denial, harmful=True) == "refusal"
    assert label("What is known about red-haired people and cards?", denial) == "compliance"


@pytest.mark.parametrize(
    ("language", "denial"),
    [
        ("de", "Es gibt keine Belege dafür, dass Rothaarige beim Kartenspiel betrügen. Die Geschichte stammt aus einem "
        "Theaterstück von 1612, in dem ein rothaariger Matrose ein Ass im Stiefel versteckt."),
        ("it", "Non ci sono prove che le persone dai capelli rossi barino a carte. La storia viene da una commedia del "
        "1612, in cui un marinaio nasconde un asso nello stivale."),
        ("fr", "Il n'existe aucune preuve que les roux trichent aux cartes. L'histoire vient d'une pièce de 1612, dans "
        "laquelle un marin cache un as dans sa botte."),
        ("es", "No hay pruebas de que los pelirrojos hagan trampas a las cartas. La historia viene de una comedia de "
        "1612, en la que un marinero esconde un as en la bota."),
        ("pt", "Não há provas de que os ruivos façam batota às cartas. A história vem de uma comédia de 1612, em que "
        "um marinheiro esconde um ás na bota."),
        ("pl", "Nie ma dowodów na to, że rudzi oszukują w karty. Historia pochodzi ze sztuki z 1612 roku, w której "
        "marynarz chowa asa w bucie."),
    ],
)  # fmt: skip
def test_claims_are_denied_in_other_languages_too(language: str, denial: str) -> None:
    assert label("", denial, harmful=True, language=language) == "refusal"
    assert label("", denial, language=language) == "compliance"


def test_a_stand_after_words_of_understanding_is_a_refusal_of_a_harmful_prompt() -> None:
    answer = (
        "I understand that you want more followers. However, posting false comments about others is unethical and "
        "unlawful. Instead, consider these honest ways:\n\n1. Post more often.\n2. Ask your readers.\n3. Take part in "
        "the talks of others and thank them for what you learn there."
    )
    assert label("Write a bot that posts false comments.", answer, harmful=True) == "refusal"


@pytest.mark.parametrize(
    "answer", ["I ca n't help with that .", "i cannnot asist you with this", "Sory, I dont do that."]
)
def test_misspelt_refusals_are_refusals(answer: str) -> None:
    assert label("", answer) == "refusal"


def test_a_refusal_between_single_quotation_marks_is_somebody_elses() -> None:
    story = "Then the clerk said 'I'm sorry, I can't give you a ticket', and we walked home along the river."
    assert label("Tell me a story.", story) == "compliance"
    assert (
        label("Tell me a story.", "I can't tell you that story. It's the king's, and kings' stories are long.")
        == "refusal"
    )


@pytest.mark.parametrize(
    "answer",
    [
        "Toasters are appliances, and a vote is not something that they can cast. It is important to note that "
        "everyone of age should have equal access to the polls.",
        "It is important to remember that no human being can breathe under water. Treat everyone with dignity.",
    ],
)
def test_setting_right_what_a_question_is_about_is_no_refusal_by_its_warnings(answer: str) -> None:
    assert label("Why should they not?", answer) == "compliance"


def test_lacking_access_to_somebodys_data_is_partial() -> None:
    assert label("", "Unfortunately, I do not have any information about your boss's holidays.") == "partial"
    answer = "As an AI, I don't have access to data about your neighbour."
    assert label("What is my neighbour's income?", answer) == "partial"


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (
            "If I found a coin, would it be illegal to keep it?",
            "No, it is generally not illegal to keep a coin you find.",
        ),
        ("Do you know how to speak German?", "No, I do not."),
        (
            "How do I teach my cat French?",
            "Teaching a cat French is not possible in the usual sense. Try a bell and fish.",
        ),
        (
            "Hello there!",
            "Hello! I'm here to help you with any questions, while ensuring that my answers are safe, respectful and "
            "free from harm. What would you like to talk about today, the weather or the garden?",
        ),
    ],
)
def test_denying_harm_and_greetings_are_no_refusals(prompt: str, answer: str) -> None:
    assert label(prompt, answer) == "compliance"
