#!/usr/bin/env python3
"""Translation speed: ours, end to end, against transformers' generate and against plain CTranslate2.

    python scripts/bench_translate.py --data ../shared/data/parallel/ntrex

A model of NLLB-600M's shape with random weights is made here (nothing is downloaded), every output is forced to the
same length, and the sentences are real. The candidates take turns; medians and ratios are printed with the environment.

  headline  transformers fp32 in batches of 16; CTranslate2 int8 in plain batches of 32, in the order of the text; ours:
            splitting, tokenising, translating, detokenising, checking and rejoining included.
  sweep     ours against settings tuned by hand, at 64, 256 and 2,000 sentences, on a sixth of the model (2 + 2 layers
            and a sixth of the vocabulary: the same width, and the same share of each part in a step).
  ray       `mpodata build --scale ray` with one worker of one core against two, on the sixth: from the moment the first
            worker has its model to the last translation; start-up and the end of the command are printed apart.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.nllb_shapes import (  # noqa: E402
    CODES,
    FILES,
    FULL,
    SIXTH,
    SOURCE,
    TARGET,
    Forced,
    environment,
    made,
    sentences,
)

from mpodata.runtime.cores import cores  # noqa: E402
from mpodata.translators.document import DocumentTranslator  # noqa: E402
from mpodata.translators.nllb import Nllb  # noqa: E402

TRANSFORMERS_BATCH, PLAIN_BATCH = 16, 32
RAY_ROWS, RAY_LENGTH = 640, 32  # rows of three sentences; output tokens of each


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "parallel" / "ntrex")
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--length", type=int, default=16, help="output tokens per sentence (default 16)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each candidate (default 3)")
    parser.add_argument("--part", choices=("all", "headline", "sweep", "ray"), default="all")
    parser.add_argument("--work", type=Path, help="keep the models here and use them again")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    if not (args.data / FILES[0]).is_file():
        print(f"There is no {FILES[0]} in {args.data}: give NTREX's folder with --data.", file=sys.stderr)
        return 2
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        os.environ["MPODATA_CACHE"] = str(work / "cache")
        rows = sentences(args.data)
        figures: dict[str, Any] = {"environment": environment(), "beam": args.beam, "length": args.length}
        print(" · ".join(f"{key} {value}" for key, value in figures["environment"].items()))
        if args.part in ("all", "headline"):
            figures["headline"] = headline(made(FULL, work, rows), rows, args)
        if args.part in ("all", "sweep"):
            figures["sweep"] = sweep(made(SIXTH, work, rows), rows, args)
        if args.part in ("all", "ray"):
            figures["ray"] = on_ray(Forced(made(SIXTH, work, rows), RAY_LENGTH, 1, rows), rows)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def headline(folder: Path, rows: dict[str, str], args: argparse.Namespace) -> dict[str, Any]:
    """256 sentences; transformers gets 32 of them, being slow."""
    texts = list(rows)[:256]
    ours = Forced(folder, args.length, args.beam, rows)
    warm = time.perf_counter()
    document = DocumentTranslator(ours)
    assert ours.translator is not None  # converted and loaded before the clock starts
    print(f"converted and loaded in {time.perf_counter() - warm:.0f} s")
    plain = plain_translator(ours, inter=1, intra=cores())
    alternatives: dict[str, tuple[int, Callable[[], object]]] = {
        "transformers fp32, 16": (32, transformers_run(folder, texts[:32], args)),
        "CTranslate2 int8, 32": (256, lambda: plain_run(plain, ours, texts, args, 32, "examples", whole_call=False)),
        "ours, end to end": (256, lambda: DocumentTranslator(ours).texts(texts, SOURCE, TARGET)),
    }
    same = outputs_alike(plain, ours, texts[:64], args)
    assert document.texts(texts[:2], SOURCE, TARGET) == [rows[text] for text in texts[:2]]
    rates, cpu = in_turns(alternatives, args.rounds)
    ratios = {
        "ours / transformers": rates["ours, end to end"] / rates["transformers fp32, 16"],
        "plain / transformers": rates["CTranslate2 int8, 32"] / rates["transformers fp32, 16"],
        "ours / plain": rates["ours, end to end"] / rates["CTranslate2 int8, 32"],
    }
    print(f"\n256 sentences, beam {args.beam}, {args.length} output tokens each, medians of {args.rounds} turns")
    for name, rate in rates.items():
        print(f"  {name:24} {rate:8.2f} sentences/s {1000 * cpu[name]:8.1f} ms of CPU each")
    for name, ratio in ratios.items():
        print(f"  {name:24} {ratio:8.2f} x")
    print(f"  outputs equal to plain CTranslate2's: {same:.1%}")
    return {"sentences_per_second": rates, "cpu_seconds": cpu, "ratios": ratios, "outputs_equal": same}


def in_turns(
    alternatives: dict[str, tuple[int, Callable[[], object]]], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Of each candidate the median sentences a second, and CPU seconds a sentence; the order changes every round."""
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    cpu: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(rounds):
        names = list(alternatives)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start, used = time.perf_counter(), time.process_time()
            alternatives[name][1]()
            seconds[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - used)
    rates = {name: count / statistics.median(seconds[name]) for name, (count, _) in alternatives.items()}
    return rates, {name: statistics.median(cpu[name]) / count for name, (count, _) in alternatives.items()}


def transformers_run(folder: Path, texts: list[str], args: argparse.Namespace) -> Callable[[], object]:
    import torch
    from transformers import AutoTokenizer, M2M100ForConditionalGeneration

    torch.set_num_threads(cores())
    tokenizer = AutoTokenizer.from_pretrained(folder, src_lang=CODES[0])
    model = M2M100ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    def run() -> list[str]:
        found: list[str] = []
        for start in range(0, len(texts), TRANSFORMERS_BATCH):
            batch = tokenizer(texts[start : start + TRANSFORMERS_BATCH], padding=True, return_tensors="pt")
            with torch.inference_mode():
                ids = model.generate(
                    **batch, forced_bos_token_id=tokenizer.convert_tokens_to_ids(CODES[1]), num_beams=args.beam,
                    do_sample=False, min_new_tokens=args.length + 1, max_new_tokens=args.length + 1,
                )  # fmt: skip
            found += tokenizer.batch_decode(ids, skip_special_tokens=True)
        return found

    return run


def plain_translator(ours: Nllb, inter: int, intra: int) -> Any:
    import ctranslate2

    from mpodata.translators.conversion import converted

    folder = converted(ours.source, ours.compute_type)
    return ctranslate2.Translator(str(folder), "cpu", compute_type="int8", inter_threads=inter, intra_threads=intra)


def plain_run(
    translator: Any,
    ours: Nllb,
    texts: list[str],
    args: argparse.Namespace,
    size: int,
    kind: str,
    *,
    whole_call: bool = True,
) -> list[list[str]]:
    """What a user writes: tokenise, translate_batch, detokenise; in one call, or in calls of `size` sentences."""
    step = len(texts) if whole_call else size
    found: list[list[str]] = []
    for start in range(0, len(texts), step):
        sources = [ours.source_tokens(tokens, SOURCE) for tokens in ours.tokens(texts[start : start + step])]
        results = translator.translate_batch(
            sources, target_prefix=[[CODES[1]]] * len(sources), beam_size=args.beam, max_input_length=0,
            max_batch_size=size if whole_call else 0, batch_type=kind, min_decoding_length=args.length + 1,
            max_decoding_length=args.length + 1,
        )  # fmt: skip
        found += [result.hypotheses[0][1:] for result in results]
    ours._text(found)
    return found


def outputs_alike(plain: Any, ours: Forced, texts: list[str], args: argparse.Namespace) -> float:
    """The share of sentences whose output tokens are the same, one batch of 32 against ours."""
    theirs = plain_run(plain, ours, texts, args, PLAIN_BATCH, "examples", whole_call=False)
    inputs = [ours.source_tokens(tokens, SOURCE) for tokens in ours.tokens(texts)]
    mine = ours.decoded(inputs, TARGET, [args.length] * len(texts), beam_size=args.beam)
    return float(sum(a == b for a, b in zip(theirs, mine, strict=True)) / len(texts))


def sweep(folder: Path, rows: dict[str, str], args: argparse.Namespace) -> dict[str, Any]:
    """Ours, with nothing tuned, against hand-tuned settings in one `translate_batch` call."""
    ours = Forced(folder, args.length, args.beam, rows)
    settings = [("tokens", 512), ("tokens", 1024), ("tokens", 2048), ("tokens", 4096), ("tokens", 8192),
                ("examples", 16), ("examples", 32), ("examples", 64), ("examples", 128)]  # fmt: skip
    wide = plain_translator(ours, inter=cores(), intra=1)
    found: dict[str, Any] = {}
    for count, rounds, tried in (
        (64, args.rounds, settings),
        (256, args.rounds, settings[1:]),
        (2000, min(2, args.rounds), settings[1:4]),
    ):
        texts = (list(rows) * 2)[:count]
        alternatives: dict[str, tuple[int, Callable[[], object]]] = {
            f"{cores()} x 1, {size} {kind}": (count, partial(plain_run, wide, ours, texts, args, size, kind))
            for kind, size in tried
        }
        alternatives["ours"] = count, partial(ours.segments, texts, SOURCE, TARGET)
        rates, cpu = in_turns(alternatives, rounds)
        best = max((rate, name) for name, rate in rates.items() if name != "ours")
        print(f"\n{count} sentences on a sixth of the model, sentences/s, medians of {rounds} turns")
        for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
            print(f"  {name:24} {rate:8.2f} {1000 * cpu[name]:8.2f} ms of CPU each")
        print(f"  ours / best by hand      {rates['ours'] / best[0]:8.2f} x")
        found[str(count)] = {"sentences_per_second": rates, "cpu_seconds": cpu, "ours_to_best": rates["ours"] / best[0]}
    return found


def on_ray(ours: Forced, rows: dict[str, str]) -> dict[str, Any]:
    """The same build by one worker and by two, each in a process and with a journal of its own."""
    from mpodata.translators.conversion import converted

    model = converted(ours.source, ours.compute_type)
    timed: dict[int, dict[str, float]] = {}
    wrote: dict[int, list[str]] = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "replies.json").write_text(json.dumps(rows), encoding="utf-8")
            texts = iter(rows)
            with (folder / "source.jsonl").open("w", encoding="utf-8") as source:
                for prompt, chosen, rejected in list(zip(texts, texts, texts, strict=False))[:RAY_ROWS]:
                    source.write(json.dumps({"prompt": prompt, "chosen": chosen, "rejected": rejected}) + "\n")
            command = [sys.executable, __file__, "--ray-child", str(folder), str(model), str(workers)]
            started = time.time()
            done = subprocess.run(command, capture_output=True, text=True)
            ended = time.time()
            if done.returncode:
                raise RuntimeError(done.stderr[-3000:])
            ready = sorted(float(line) for line in (folder / "ready").read_text().split())
            translated = max(float(line) for line in (folder / "translated").read_text().split())
            timed[workers] = {
                "start-up": ready[0] - started,
                "translating": translated - ready[0],
                "the rest": ended - translated,
            }
            files = sorted((folder / "out").rglob("*.parquet"))
            wrote[workers] = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
            assert len(ready) == workers, f"{len(ready)} of {workers} workers translated"
    if wrote[1] != wrote[2] or not wrote[1]:
        raise RuntimeError("Two workers wrote other bytes than one.")
    ratio = timed[1]["translating"] / timed[2]["translating"]
    print(f"\n{RAY_ROWS} rows on Ray, a sixth of the model, {RAY_LENGTH} output tokens a sentence; the same bytes")
    for workers, seconds in timed.items():
        print(f"  {workers} x 1 core  " + "".join(f" {name} {value:6.1f} s  " for name, value in seconds.items()))
    print(f"  two workers / one, translating {ratio:8.2f} x")
    return {"seconds": timed, "two_to_one": ratio}


class Stamped(Forced):
    """Says when its model is there."""

    stamps: Path

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> Any:
        if "translator" not in self.__dict__:
            assert self.translator is not None
            assert self.tokenizer is not None
            with self.stamps.open("a") as ready:
                ready.write(f"{time.time()}\n")
        found = super().segments(texts, source, target, attempt=attempt)
        with self.stamps.with_name("translated").open("a") as ends:
            ends.write(f"{time.time()}\n")
        return found


def bench_nllb(*, folder: str, model: str, journal: Any, dominant: str) -> DocumentTranslator:
    replies = json.loads((Path(folder) / "replies.json").read_text(encoding="utf-8"))
    translator = Stamped(Path(model), RAY_LENGTH, 1, replies)
    translator.stamps = Path(folder) / "ready"
    return DocumentTranslator(translator, dominant=dominant, journal=journal)


def register() -> None:
    """Make `bench_nllb` known by name; Ray runs this in every worker."""
    from mpodata.translators import TRANSLATORS

    TRANSLATORS["bench-nllb"] = "bench_translate:bench_nllb"


def ray_child(folder: Path, model: Path, workers: str) -> int:
    """One build."""
    import ray

    from mpodata.cli import main as mpodata_main

    os.environ["MPODATA_CACHE"] = str(folder / "cache")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    sys.path.insert(0, str(ROOT / "scripts"))
    register()
    ray.init(log_to_driver=False, runtime_env={"worker_process_setup_hook": "bench_translate.register"})
    return mpodata_main(
        ["build", "--source", str(folder / "source.jsonl"), "--chosen", "source", "--checks", "keep"]
        + ["--translator", "bench-nllb", "--languages", TARGET]
        + ["--set", f"translator.options.folder={folder}", "--set", f"translator.options.model={model}"]
        + ["--scale", "ray", "--workers", workers, "--cpus-per-worker", "1", "--out", str(folder / "out")]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ray-child"]:
        sys.exit(ray_child(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
    sys.exit(main())
