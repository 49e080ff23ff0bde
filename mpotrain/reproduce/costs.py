"""What a step will cost, roughly: GPU-hours of one H100, and calls of a judge that is a service."""

from dataclasses import dataclass

from mpodata.pipeline.plan import DECODING_EFFICIENCY, GPU_FLOPS
from mpotrain.evaluation.utility.harness import HARNESS

H100 = GPU_FLOPS["h100"]
TRAINING = 0.30  # share of the peak that training reaches
START_HOURS = 0.03  # to load an 8 B model; in proportion for others
ROW_TOKENS = 720  # two answers with their prompt, and the dominant pair
ANSWER_TOKENS = 200
LANGUAGES = 6  # of the paper's data
PROMPTS = {  # per language, as published
    "multijail": 315, "advbench-x": 520, "csrt": 315, "refuseu-test": 1400, "dataset": 100, "pocket": 360,
    "mt-bench": 160, "mmlu": 14042, "mgsm": 250, "global-mmlu": 14042, "global-mmlu-lite": 400,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate."""

    gpu_hours: float = 0.0
    judge_calls: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.gpu_hours + other.gpu_hours, self.judge_calls + other.judge_calls)

    def times(self, count: int) -> "Cost":
        return Cost(self.gpu_hours * count, self.judge_calls * count)


def training(pairs: int, billions: float, epochs: int = 2) -> Cost:
    """Full fine-tuning on `pairs` in every language: 6 operations a parameter and token."""
    operations = 6e9 * billions * pairs * (LANGUAGES + 1) * ROW_TOKENS * epochs
    return Cost(operations / (H100 * TRAINING) / 3600 + _start(billions))


def building(pairs: int, billions: float, translator: str) -> Cost:
    """Four answers per prompt; a translator that is a model decodes three texts per language (3 B parameters)."""
    answers = 2e9 * billions * pairs * 4 * ANSWER_TOKENS
    texts = 0.0 if translator in ("google", "deepl") else 2e9 * 3 * pairs * LANGUAGES * 3 * ANSWER_TOKENS
    return Cost((answers + texts) / (H100 * DECODING_EFFICIENCY) / 3600 + _start(billions))


def answering(benchmark: str, languages: int, billions: float, judge: str, limit: int | None) -> Cost:
    """Answers of 200 tokens; a judge that is a chat model translates what is not English and judges each answer."""
    prompts = PROMPTS.get(benchmark, 300)
    per_language = min(prompts, limit) if limit else prompts
    count = per_language * (1 if benchmark == "csrt" else languages)
    hours = 2e9 * billions * count * ANSWER_TOKENS / (H100 * DECODING_EFFICIENCY) / 3600 + _start(billions)
    paid = ":" in judge and benchmark not in HARNESS
    foreign = count if benchmark == "csrt" else count - per_language
    calls = count if benchmark == "mt-bench" else count + foreign
    return Cost(hours, calls if paid else 0)


def measuring(billions: float) -> Cost:
    """One forward over a version's pairs, mostly the time to load the model."""
    return Cost(2 * _start(billions))


def _start(billions: float) -> float:
    return START_HOURS * billions / 8
