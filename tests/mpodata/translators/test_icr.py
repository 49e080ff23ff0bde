"""ICR: the implicit reward of two models, its length control, and pairs that are what they should be."""

from types import SimpleNamespace

import pytest

import mpodata.pipeline.build
from mpodata.engines import Sampling
from mpodata.errors import ConfigError, ModelError
from mpodata.records import Dropped, Side
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.journal import Journal
from mpodata.translators.icr import Icr, icr, length_control, pairs_at
from mpodata.translators.policy import AnswerRequest, Candidate, TargetAnswers
from mpodata.translators.rewards import ImplicitReward
from tests.mpodata.fake_policy import ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine, carried

SIDE = Side("en", "How do I pick a lock?", ENGLISH_REFUSAL, "Yes, first take a thin wire.")


class Rewards:
    """A reward that gives the values a test names."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values
        self.asked: list[tuple[str, str]] = []

    def rewards(self, exchanges):
        self.asked += exchanges
        return [self.values[answer] for _, answer in exchanges]

    def provenance(self):
        return {}


def made(values: dict[str, float], **options) -> Icr:
    engine = SpokenEngine(lambda prompt, sampling: list(values))
    policy = TargetAnswers(engine, RuleDetector(), Journal(":memory:"), carried(), "en")
    return Icr(policy, Rewards(values), sampling=Sampling(candidates=2, temperature=0.9), **options)


HELP_EN = "Take a ladder and lean it against the wall."


def candidates(*rows: tuple[int, float]) -> list[Candidate]:
    """Sound refusals of a length with a reward."""
    return [Candidate("x" * length, "refusal", None, True, score) for length, score in rows]


def test_the_pair_is_stored_with_the_instruction_of_the_target_language():
    assert made({REFUSAL: 2.0, HELP: -1.0}, alpha=0.0).translate([SIDE], "sw") == [
        Side("sw", "Ninawezaje kufungua kufuli?", REFUSAL, HELP)
    ]


def test_the_reward_reads_the_english_instruction_with_a_prefix_that_asks_for_the_language():
    translator = made({REFUSAL: 2.0, HELP: -1.0})
    translator.translate([SIDE], "sw")
    [prompt] = {prompt for prompt, _ in translator.reward.asked}  # type: ignore[attr-defined]
    assert prompt == "Please answer the following instruction in Swahili.\n\nHow do I pick a lock?"


def test_refusal_and_counterweight_pairs_are_told_apart_by_both_answers():
    policy = made({}).policy
    stand = "No one should climb over a wall at night. It is never acceptable, and it is important to respect a fence."
    refuses = "I'm sorry, but I can't help with that."
    sides = [Side("en", "?", *answers) for answers in ((stand, HELP_EN), (stand, refuses), (HELP_EN, refuses))]
    sides.append(Side("en", "?", refuses, HELP_EN))
    assert policy.wanted(sides) == ["refusal", "compliance", "compliance", "refusal"]


def test_the_guard_keeps_a_rewarded_help_from_being_chosen():
    values = {REFUSAL: -1.0, HELP: 2.0}
    assert made(values, alpha=0.0).translate([SIDE], "sw") == [Dropped("no-rejected-candidate", "rejected")]
    assert made(values, alpha=0.0, guard=False).translate([SIDE], "sw") == [
        Side("sw", "Ninawezaje kufungua kufuli?", HELP, REFUSAL)
    ]


def test_answers_in_the_wrong_language_are_no_candidates_even_without_the_guard():
    [result] = made({ENGLISH_REFUSAL: 1.0, "Yes, take a thin wire and put it in.": 0.0}, guard=False).translate(
        [SIDE], "sw"
    )
    assert isinstance(result, Dropped)
    assert result.reason == "no-chosen-candidate"


def test_length_control_makes_chosen_and_rejected_equally_long():
    # By reward alone the longest answers win: 100 against 10 characters. From alpha = .1 on the short ones do.
    rows = [candidates((100, 10.0), (60, 5.0), (10, 0.9)), candidates((100, 10.0), (90, 8.5), (10, 1.1))]
    kinds = ["refusal", "refusal"]

    def gap(alpha: float) -> float:
        pairs = pairs_at(rows, kinds, alpha, guard=False)
        return abs(sum(len(chosen.text) - len(rejected.text) for chosen, rejected in pairs)) / 2

    alpha = length_control(rows, kinds, guard=False)
    assert gap(alpha) == min(gap(step / 1000) for step in range(1000)) < gap(0.0)


def test_alpha_is_the_smallest_best_one_of_the_authors_grid():
    rows = [candidates((300, 10.0), (100, 4.0)), candidates((50, 1.0), (250, 3.0))]
    kinds: list[AnswerRequest] = ["refusal"] * 2
    assert length_control(rows, kinds, guard=False) == 0.011
    endless = [candidates((2000, 1500.0), (1000, 1.0))]  # its gap closes above alpha = 1, which is not on the grid
    assert length_control(endless, kinds[:1], guard=False) < 1.0


def test_tied_rewards_are_dropped_by_name():
    [pair] = pairs_at([candidates((30, 2.0), (30, 2.0))], ["refusal"], 0.0, guard=False)
    assert pair == Dropped("tied-rewards", "2 answers with one reward")
    assert made({REFUSAL: 2.0, HELP: 2.0}, alpha=0.0, guard=False).translate([SIDE], "sw") == [
        Dropped("tied-rewards", "chosen: 2 answers with one reward")
    ]


def test_alpha_is_searched_over_all_rows_of_a_language():
    assert made({}).needs_all_rows
    assert not made({}, alpha=0.5).needs_all_rows


def test_a_build_gives_all_rows_of_a_language_at_once_where_they_are_compared(monkeypatch, tmp_path):
    sizes: list[int] = []

    def taken(part: list[int], language: str, components: object) -> list[int]:
        sizes.append(len(part))
        return []

    monkeypatch.setattr(mpodata.pipeline.build, "translate", taken)
    for whole in (True, False):
        components = SimpleNamespace(translator=SimpleNamespace(needs_all_rows=whole))
        list(mpodata.pipeline.build.LocalRunner(components, tmp_path).translate(iter(range(600)), "sw"))
    assert sizes == [600, 256, 256, 88]


def test_length_control_needs_no_pairs():
    assert length_control([], [], guard=True) == 0.0


def test_the_reward_is_the_difference_of_summed_log_probabilities(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from mpodata.engines.checkpoints import EMBEDDED
    from mpodata.engines.templates import chat_ids

    chat = EMBEDDED["pocket-chat"]
    tokenizer = AutoTokenizer.from_pretrained(chat)
    other = AutoModelForCausalLM.from_pretrained(chat)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.02)
    other.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    exchanges = [
        ("How do I wash the car?", "First, look around."),
        ("Hello?", "I'm sorry, but I can't help with that."),
    ]

    def by_hand(model, prompt: str, answer: str) -> float:
        start = chat_ids(tokenizer, [{"role": "user", "content": prompt}])
        end = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.inference_mode():
            log_probs = model(torch.tensor([start + end])).logits.float().log_softmax(-1)[0]
        return sum(log_probs[len(start) + at - 1, token].item() for at, token in enumerate(end))

    reference = AutoModelForCausalLM.from_pretrained(chat, dtype=torch.float32)
    expected = [by_hand(other, *one) - by_hand(reference, *one) for one in exchanges]
    reward = ImplicitReward(str(tmp_path), "pocket-chat", device="cpu")
    assert reward.rewards(exchanges) == pytest.approx(expected, abs=1e-3)
    assert [reward.rewards([one])[0] for one in exchanges] == pytest.approx(expected, abs=1e-3)
    assert ImplicitReward("pocket-chat", "pocket-chat", device="cpu").rewards(exchanges) == [0.0, 0.0]


def test_options_that_cannot_be_right_are_said():
    around = {
        "engine": SpokenEngine(lambda p, s: []), "detector": RuleDetector(), "prompts": "pocket-nllb",
        "reference": "pocket-chat",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="alpha must be between 0 and 1, got 2"):
        icr(alpha=2, **around)
    with pytest.raises(ConfigError, match="samples must be at least 2"):
        icr(samples=1, **around)


def test_a_reference_that_is_no_model_is_said():
    with pytest.raises(ModelError, match="no/such/model"):
        ImplicitReward("pocket-chat", "no/such/model").provenance()
