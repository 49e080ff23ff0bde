"""Rows made of a version's pairs: how many of which kind, and what each asks and answers."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mpodata.records import Pair, Side
from mpotrain.data import tokenise_mix
from mpotrain.mixes import MixOptions, cla, sdrrl
from tests.mpotrain.tiny_dataset import pairs, side, tokenizer
from tests.mpotrain.training_runs import Trajectory, objective, policy, train

PLAIN = MixOptions(code_switch=0.0, parallel=0.0)
LANGUAGES = ("zh", "ja", "ko", "ar", "bn", "sw")


def parallel(count: int, languages: tuple[str, ...] = LANGUAGES) -> list[Pair]:
    """`count` pairs in every language, two sentences a prompt."""
    return [
        Pair(
            f"{number:016x}", *(Side(name, f"One {name}. Two {name}.", f"No {name}.", "Yes.") for name in ("en", code))
        )
        for number in range(count)
        for code in languages
    ]


def test_a_hundred_pairs_in_six_languages_give_nineteen_hundred_rows() -> None:
    kinds = Counter(example.kind for example in sdrrl(parallel(100), PLAIN))
    assert kinds == {"own": 100 + 600, "crossed": 1200}


def test_the_dominant_row_of_a_pair_stands_once_whatever_the_number_of_targets() -> None:
    own = [example for example in sdrrl(parallel(5), PLAIN) if example.kind == "own" and example.language == "en"]
    assert len(own) == len({example.pair_id for example in own}) == 5


def test_crossed_rows_ask_for_the_language_of_their_answer() -> None:
    english, swahili = side("en", "bread"), side("sw", "bread")
    crossed = [(e.language, e.prompt, e.answer) for e in sdrrl(pairs(1, ("sw",)), PLAIN) if e.kind == "crossed"]
    assert crossed == [
        ("sw", f"{english.prompt}\n\nAnswer in Swahili.", swahili.chosen),
        ("en", f"{swahili.prompt}\n\nAnswer in English.", english.chosen),
    ]


def test_code_switched_prompts_hold_sentences_of_both_languages() -> None:
    mixed = [e for e in sdrrl(parallel(40, ("sw",)), MixOptions(0.5, 0.0)) if e.kind == "code-switched"]
    assert 10 <= len(mixed) <= 30  # one of two sentences: half of 40
    assert {e.prompt for e in mixed} == {
        f"{first}. {second}.\n\nAnswer in Swahili." for first, second in (("One en", "Two sw"), ("One sw", "Two en"))
    }
    assert {(e.language, e.answer) for e in mixed} == {("sw", "No sw.")}


def test_a_prompt_of_one_sentence_is_never_code_switched() -> None:
    assert not [e for e in sdrrl(pairs(12), MixOptions(0.5, 0.0)) if e.kind == "code-switched"]


def test_translation_rows_hold_prompt_and_chosen_answer_in_both_directions_and_never_a_rejected_one() -> None:
    rows = sdrrl(pairs(12), MixOptions(0.0, 1.0))
    translations = [e for e in rows if e.kind == "translation"]
    assert len(translations) == 2 * 24
    assert {e.language for e in translations} == {"en", "sw", "zh"}
    rejected = {text for pair in pairs(12) for text in (pair.dominant.rejected, pair.target.rejected)}
    assert not [e for e in rows if e.answer in rejected or any(text in e.prompt for text in rejected)]


def test_a_pair_gets_the_same_rows_whatever_else_is_mixed() -> None:
    options = MixOptions(0.5, 0.5)
    alone = sdrrl(parallel(30)[60:66], options)
    assert alone == [e for e in sdrrl(parallel(30), options) if e.pair_id == alone[0].pair_id]
    assert sdrrl(parallel(30), replace(options, seed=1)) != sdrrl(parallel(30), options)


def test_the_census_counts_the_kinds_and_the_cuts() -> None:
    examples = sdrrl(pairs(2, ("sw",)), PLAIN)
    rows = tokenise_mix(examples, tokenizer(), 256, "en")
    assert rows.census.mixed == {"own": 4, "crossed": 4}
    assert rows.census.kept == {"en": 4, "sw": 4}
    assert rows.census.lines() == ["rows of the mix: crossed 4, own 4"]
    assert (rows.languages(), len(rows.trained("paired"))) == (["sw"], 8)
    shortest = min(row.chosen.prompt_length for row in rows.targets)
    cut = tokenise_mix(examples, tokenizer(), shortest + 1, "en").census
    assert sum(cut.kept.values()) + sum(sum(counts.values()) for counts in cut.dropped.values()) == 8
    assert sum(cut.truncated.values()) == sum(cut.kept.values()) > 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """SFT on a mix, one forward per global batch."""
    return mixed_run(tmp_path_factory.mktemp("whole"), 4)


def mixed_run(folder: Path, rows_per_forward: int, *, pad: bool = False) -> Trajectory:
    rows = tokenise_mix(sdrrl(pairs(3), MixOptions(parallel=0.5)), tokenizer(), 256, "en")
    what = objective("sft", rows, dominant_rows=False)
    return train(folder, what=what, made=policy(pad=pad), per_device_train_batch_size=rows_per_forward)


def test_a_mix_trains_and_accumulation_changes_nothing(whole: Trajectory, tmp_path: Path) -> None:
    split = mixed_run(tmp_path, 1)
    assert split.trainer.args.gradient_accumulation_steps == 4
    assert split.close_to(whole)
    assert whole.losses[-1] < whole.losses[0]


def test_padding_changes_nothing_in_a_mix(whole: Trajectory, tmp_path: Path) -> None:
    assert mixed_run(tmp_path, 4, pad=True).close_to(whole)


def test_cla_asks_half_of_its_rows_across_languages_beside_a_text_and_its_translation() -> None:
    examples = cla(parallel(100), PLAIN)
    kinds = Counter(example.kind for example in examples)
    assert kinds.total() == 3 * 100 * len(LANGUAGES)
    assert 0.46 < kinds["crossed"] / kinds.total() < 0.54
    languages = {code: f"One {code}. Two {code}." for code in ("en", *LANGUAGES)}
    for example in examples:
        dominant, target = example.sentences or ("", "")
        asked = next(code for code, text in languages.items() if example.prompt.startswith(text))
        assert dominant == languages["en"]
        assert target in [languages[code] for code in LANGUAGES]
        assert (asked != example.language) == (example.kind == "crossed")
        if example.kind == "crossed":  # between the dominant language and that of the text beside it
            assert "en" in (asked, example.language)
            assert target in (languages[asked], languages[example.language])


def test_answers_of_cla_cross_both_ways_and_own_ones_come_in_every_language() -> None:
    examples = cla(parallel(100), PLAIN)
    crossed = Counter(e.language == "en" for e in examples if e.kind == "crossed")
    assert 0.45 < crossed[True] / crossed.total() < 0.55
    own = Counter(e.language for e in examples if e.kind == "own")
    assert set(own) == {"en", *LANGUAGES}
    assert max(own.values()) < 1.5 * min(own.values())


def test_cla_asks_for_the_language_of_the_answer_in_every_row() -> None:
    names = {"en": "English", "sw": "Swahili"}
    assert all(e.prompt.endswith(f"Answer in {names[e.language]}.") for e in cla(parallel(9, ("sw",)), PLAIN))


def test_cla_leaves_out_pairs_whose_prompt_is_its_own_translation() -> None:
    same = Pair("0" * 16, Side("en", "OK?", "No.", "Yes."), Side("sw", "OK?", "Hapana.", "Ndiyo."))
    assert cla([same], PLAIN) == []


def test_a_pairs_rows_of_cla_do_not_depend_on_other_pairs() -> None:
    first = [e for e in cla(parallel(9), PLAIN) if e.pair_id == f"{4:016x}"]
    assert first == [e for e in cla(parallel(9)[4 * len(LANGUAGES) :], PLAIN) if e.pair_id == f"{4:016x}"]


def test_the_texts_of_cla_are_tokens_of_plain_text() -> None:
    reader = tokenizer()
    (row, *_) = tokenise_mix(cla(pairs(1, ("sw",)), PLAIN), reader, 256, "en").targets
    for dominant, code in ((True, "en"), (False, "sw")):
        text = row.sentence(dominant=dominant)
        assert text.input_ids == tuple(reader(side(code, "bread").prompt)["input_ids"])
        assert not text.scored
    assert len(row.chosen.input_ids) > len(row.sentence(dominant=True).input_ids)
