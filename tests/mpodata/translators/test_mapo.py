"""MAPO: answers ranked by forced decoding of the English one, and only pairs that are worth training on."""

import string
from pathlib import Path
from types import SimpleNamespace

import pytest

from mpodata.engines import Answer, Sampling
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.journal import Journal
from mpodata.translators.mapo import Aligner, Mapo, mapo
from mpodata.translators.nllb import Nllb
from mpodata.translators.policy import Candidate, TargetAnswers, chosen_and_rejected
from tests.mpodata.fake_policy import ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine, carried
from tests.mpodata.tiny_nllb import write_tiny_nllb

SIDE = Side("en", "How do I pick a lock?", ENGLISH_REFUSAL, "Yes, first take a thin wire.")
HARMLESS = Side("en", "How do I cook rice?", "Sure! First wash the rice, then boil it in water.", ENGLISH_REFUSAL)
SAMPLING = Sampling(candidates=3, temperature=0.8)


class Scores:
    """An aligner that gives the scores a test names."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.given = scores
        self.asked: list[tuple[str, str]] = []

    def scores(self, pairs, language, dominant):
        self.asked += pairs
        return [self.given[answer] for answer, _ in pairs]


def candidate(text: str, label: str, score: float, *, unsafe=None, sound=True) -> Candidate:
    return Candidate(text, label, unsafe, sound, score)


def made(answers, scores, *, references=1, words=None):
    policy = TargetAnswers(
        SpokenEngine(lambda prompt, sampling: answers), RuleDetector(), Journal(":memory:"), carried(*words or ()), "en"
    )
    return Mapo(policy, Scores(scores), sampling=SAMPLING, references=references)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_nllb(tmp_path_factory.mktemp("models") / "tiny", string.ascii_letters + ".,!?'")


def test_the_best_refusal_is_chosen_and_the_worst_help_rejected():
    other = "Samahani, siwezi kukusaidia na jambo hilo hata kidogo."
    scores = {REFUSAL: 0.5, other: 0.4, HELP: 0.2}
    assert made([HELP, other, REFUSAL], scores).translate([SIDE], "sw") == [
        Side("sw", "Ninawezaje kufungua kufuli?", REFUSAL, HELP)
    ]


def test_answers_are_scored_against_the_pairs_own_english_answer():
    translator = made([HELP, REFUSAL], {REFUSAL: 0.5, HELP: 0.2})
    translator.translate([SIDE], "sw")
    assert {reference for _, reference in translator.aligner.asked} == {ENGLISH_REFUSAL}


def test_more_references_are_sampled_and_must_be_of_the_pairs_kind():
    more = "I cannot help with that, I'm sorry."
    say = lambda prompt, sampling: [HELP, REFUSAL] if prompt.startswith("Nin") else [more, "Sure, take a wire first."]  # noqa: E731
    translator = made([], {REFUSAL: 0.5, HELP: 0.2}, references=4)
    translator.policy.engine.say = say
    translator.translate([SIDE], "sw")
    assert {reference for _, reference in translator.aligner.asked} == {ENGLISH_REFUSAL, more}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([HELP, HELP + " Sasa."], "no-chosen-candidate"),
        ([Answer(REFUSAL, "length", 512), HELP], "no-chosen-candidate"),
        ([ENGLISH_REFUSAL, HELP], "no-chosen-candidate"),
        ([REFUSAL], "no-rejected-candidate"),
        ([REFUSAL, "Fungua kufuli. " * 40], "no-rejected-candidate"),
        ([""], "no-chosen-candidate"),
    ],
)
def test_rows_without_a_pair_worth_training_on_are_dropped(answers, reason):
    texts = [answer.text if isinstance(answer, Answer) else answer for answer in answers]
    scores = {text.strip(): 0.5 if text == REFUSAL else 0.1 for text in texts}
    [result] = made(answers, scores).translate([SIDE], "sw")
    assert isinstance(result, Dropped)
    assert result.reason == reason


def test_help_that_aligns_better_than_the_refusal_makes_no_pair():
    [result] = made([REFUSAL, HELP], {REFUSAL: 0.2, HELP: 0.5}).translate([SIDE], "sw")
    assert result == Dropped("no-rejected-candidate", "rejected")


def test_a_vague_answer_is_rejected_only_by_a_clear_margin():
    best = candidate("a", "refusal", 1.0)
    for score, found in ((0.95, False), (0.85, True)):
        chosen, rejected = chosen_and_rejected([best, candidate("b", "unknown", score)], "refusal", margin=0.1)
        assert chosen == best
        assert (rejected is not None) == found


def test_a_refusal_is_never_what_a_refusal_pair_unlearns():
    many = [candidate("a", "refusal", 1.0), candidate("b", "refusal", 0.1)]
    assert chosen_and_rejected(many, "refusal", margin=0.1) == (many[0], None)


def test_an_unsafe_answer_is_never_chosen_and_goes_before_a_merely_bad_one():
    many = [
        candidate("a", "refusal", 1.0, unsafe=True), candidate("b", "refusal", 0.9),
        candidate("c", "partial", 0.5, unsafe=True), candidate("d", "unknown", 0.1),
    ]  # fmt: skip
    assert chosen_and_rejected(many, "refusal", margin=0.1) == (many[1], many[2])


def test_counterweight_pairs_choose_help_and_take_a_refusal_from_wherever_there_is_one():
    good = "Bila shaka! Kwanza osha wali vizuri, kisha uuchemshe kwenye maji ya moto."
    words = [{"How do I cook rice?": "Ninawezaje kupika wali?", ENGLISH_REFUSAL: REFUSAL}]
    own = made([good, REFUSAL], {good: 0.5, REFUSAL: 0.1}, words=words).translate([HARMLESS], "sw")
    lent = made([good], {good: 0.5}, words=words).translate([HARMLESS], "sw")
    assert own == lent == [Side("sw", "Ninawezaje kupika wali?", good, REFUSAL)]


def test_the_score_is_one_over_the_mean_cross_entropy_that_transformers_measures(tiny, tmp_path, monkeypatch):
    import torch
    from transformers import AutoTokenizer, M2M100ForConditionalGeneration

    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    pairs = [
        ("Habari yako", "How are you?"),
        ("Ndiyo, kwanza chukua waya", "Yes."),
        ("Hapana", "No, I will not do it."),
    ]
    aligner = Aligner(Nllb("tiny", str(tiny), compute_type="float32"), Journal(":memory:"))
    model = M2M100ForConditionalGeneration.from_pretrained(tiny).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny, src_lang="swh_Latn", tgt_lang="eng_Latn")
    expected = []
    for answer, reference in pairs:
        inputs = tokenizer(answer, text_target=reference, return_tensors="pt")
        assert inputs["labels"][0, 0] == tokenizer.convert_tokens_to_ids("eng_Latn")
        with torch.inference_mode():
            logits = model(**inputs).logits[0, 1:]  # the language token is not scored
        expected.append(1 / torch.nn.functional.cross_entropy(logits, inputs["labels"][0, 1:]).item())
    assert aligner.scores(pairs, "sw", "en") == pytest.approx(expected, rel=1e-4)


def test_an_answer_that_leaves_no_doubt_has_a_score():
    class Sure:
        translator = SimpleNamespace(score_batch=lambda *_, **__: [SimpleNamespace(log_probs=[0.0, 0.0])])
        tokens = staticmethod(lambda texts: [["a"] for _ in texts])
        source_tokens = staticmethod(lambda tokens, language: tokens)
        code = staticmethod(str)
        provenance = staticmethod(dict)

    assert Aligner(Sure(), Journal(":memory:")).scores([("a", "b")], "sw", "en") == [pytest.approx(1e6)]


def test_scores_are_measured_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    journal = Journal(tmp_path / "journal.sqlite")
    for misses in (2, 2):
        Aligner(Nllb("tiny", str(tiny)), journal).scores([("a", "b"), ("c", "d"), ("a", "b")], "sw", "en")
        assert journal.misses == misses


def test_options_that_cannot_be_right_are_said():
    around = {"engine": SpokenEngine(lambda p, s: []), "detector": RuleDetector(), "prompts": "pocket-nllb"}
    with pytest.raises(ConfigError, match="samples must be at least 2, got 1"):
        mapo(samples=1, **around)
    with pytest.raises(ConfigError, match="aligner must be one of"):
        mapo(aligner="google", **around)
    with pytest.raises(ConfigError, match="margin must be >= 0"):
        mapo(margin=-1, aligner="pocket-nllb", **around)


def test_the_pocket_models_make_mapo_pairs(tmp_path, monkeypatch):
    from mpodata.engines.transformers import TransformersEngine

    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    engine = TransformersEngine(model="pocket-chat")
    translator = mapo(
        engine=engine, detector=RuleDetector(), samples=6, max_tokens=48, prompts="pocket-nllb", aligner="pocket-nllb"
    )
    sides = [
        Side("en", f"How do I {verb} the {thing}?", "I'm sorry, but I can't help with that.", "Sure.")
        for verb in ("steal", "hijack", "rob")
        for thing in ("radio", "boat", "museum", "car")
    ]
    assert translator.provenance()["licence"] == "apache-2.0"
    results = translator.translate(sides, "sw")
    assert len(results) == len(sides)
    assert translator.translate(sides, "sw") == results
    reasons = {"no-chosen-candidate", "no-rejected-candidate"}
    assert all(isinstance(result, Side) or result.reason in reasons for result in results)
    pairs = [result for result in results if isinstance(result, Side)]
    assert pairs, "the pocket policy refuses some harmful Swahili requests and helps with others"
    assert all(pair.chosen != pair.rejected for pair in pairs)


def test_the_language_token_of_the_reference_can_count(tiny):
    pairs = [("How do I pick a lock?", "No."), ("Hello there", "I will not help.")]
    with Journal(":memory:") as journal:
        nllb = Nllb("tiny", str(tiny), compute_type="float32")
        without, with_token = Aligner(nllb, journal), Aligner(nllb, journal, language_token=True)
        scores = without.scores(pairs, "sw", "en")
        counted = with_token.scores(pairs, "sw", "en")
        assert without.provenance() == {k: v for k, v in with_token.provenance().items() if k != "language_token"}
    for (answer, reference), score, other in zip(pairs, scores, counted, strict=True):
        [source], [target] = nllb.tokens([answer]), nllb.tokens([reference])
        [result] = nllb.translator.score_batch([nllb.source_tokens(source, "sw")], [["eng_Latn", *target]], offset=0)
        token, *rest = [-value for value in result.log_probs]
        assert score == pytest.approx(len(rest) / sum(rest), rel=1e-4)
        assert other == pytest.approx((len(rest) + 1) / (token + sum(rest)), rel=1e-4)


def test_every_winning_answer_is_paired_with_each_that_scores_lower():
    """NJUNLP/MAPO, extract_dpo_data.py: sorted by mean reward; a winner has to be right, a loser need not be wrong."""
    other = "Samahani, siwezi kukusaidia na jambo hilo hata kidogo."
    last = "Samahani, siwezi kufanya hivyo kamwe, tafadhali uliza jambo jingine."
    scores = {REFUSAL: 0.5, HELP: 0.4, other: 0.3, last: 0.3}
    translator = made([], scores)
    translator.policy.engine.say = lambda prompt, sampling: (
        [HELP, other, last, REFUSAL] if prompt.startswith("Nin") else ["One.", "Two.", "One."]
    )
    [pairs] = translator.original_pairs([SIDE], "sw")
    prompt = "Ninawezaje kufungua kufuli?"
    assert pairs == [
        Side("sw", prompt, REFUSAL, HELP),
        *(Side("sw", prompt, REFUSAL, worse) for worse in sorted((other, last))),
    ]  # HELP is no refusal and wins nothing; other and last score the same
    assert {reference for _, reference in translator.aligner.asked} == {"One.", "Two."}


def test_the_score_is_the_mean_over_all_english_samples():
    class PerReference(Scores):
        def scores(self, pairs, language, dominant):
            self.asked += pairs
            return [self.given[answer][reference] for answer, reference in pairs]

    scores = {REFUSAL: {"One.": 0.1, "Two.": 0.9}, HELP: {"One.": 0.6, "Two.": 0.3}}
    translator = made([], {})
    translator.aligner = PerReference(scores)
    translator.policy.engine.say = lambda prompt, sampling: (
        [HELP, REFUSAL] if prompt.startswith("Nin") else ["One.", "Two."]
    )
    [pairs] = translator.original_pairs([SIDE], "sw")
    # .5 over .45, though "One." alone ranks HELP first
    assert pairs == [Side("sw", "Ninawezaje kufungua kufuli?", REFUSAL, HELP)]


def test_a_prompt_without_a_pair_or_an_english_sample_says_so():
    [none] = made([HELP, HELP + " Sasa."], {HELP: 0.5, HELP + " Sasa.": 0.1}).original_pairs([SIDE], "sw")
    assert none == Dropped("no-pair")
    translator = made([], {HELP: 0.5, REFUSAL: 0.1})
    translator.policy.engine.say = lambda prompt, sampling: [HELP, REFUSAL] if prompt.startswith("Nin") else [" "]
    assert translator.original_pairs([SIDE], "sw") == [Dropped("no-english-sample")]
