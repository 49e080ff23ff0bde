"""The table of speeds: medians and spreads of what the benches wrote."""

from bench_table import spread, train_lines, translate_lines


def step(ours: float) -> dict:
    speeds = {"authors": 100.0, "trl-precomputed": 50.0, "mpotrain": ours, "mpotrain-grouped": 1.5 * ours}
    memory = {"authors": 1000.0, "mpotrain": 500.0}
    table = {name: {"tokens_per_s": speed, "peak_mib": memory.get(name)} for name, speed in speeds.items()}
    return {**table, "floor": {"share": ours / 250}}


def test_a_ratio_is_given_with_its_median_and_its_spread():
    assert spread([{"x": value} for value in (3.0, 1.0, 2.0)], lambda run: run["x"]) == "2.00x (1.00x to 3.00x)"


def test_a_step_is_set_against_each_baseline_at_each_size():
    runs = [{"pairs": {"2": step(ours), "8": step(2 * ours)}} for ours in (200.0, 220.0, 210.0)]
    lines = list(train_lines(runs))
    assert "2 pairs a forward | the authors' schedule | 2.10x (2.00x to 2.20x), 50% of its memory |" in lines[0]
    assert "TRL's DPOTrainer with precomputed reference | 4.20x (4.00x to 4.40x) |" in lines[1]
    assert "mpotrain without | 1.50x (1.50x to 1.50x) |" in lines[2]
    assert "one large matrix product | 84% (80% to 88%) |" in lines[3]
    assert "8 pairs a forward | the authors' schedule | 4.20x (4.00x to 4.40x)" in lines[4]


def test_translation_is_set_against_transformers_and_plain_batches():
    runs = [{"headline": {"ratios": {"ours / transformers": 9.0, "ours / plain": 1.4}}, "ray": {"two_to_one": 1.7}}]
    lines = list(translate_lines(runs))
    assert ["9.00x" in lines[0], "1.40x" in lines[1], "1.70x (one run)" in lines[2]] == [True] * 3
