"""Estimates translation quality for `mpodata build --quality-estimation`, in an environment of its own.

    python -m venv qe && qe/bin/pip install unbabel-comet
    qe/bin/python scripts/quality_estimation.py --port 8900            # then --quality-estimation http://127.0.0.1:8900
    mpodata build ... --quality-estimation "qe/bin/python scripts/quality_estimation.py --lines"

The default model is COMETKiwi (0 to 1, higher is better; its licence is non-commercial and it is gated: accept its
terms on the Hub and log in). `--metricx google/metricx-24-hybrid-large-v2p6` takes MetricX, for which its repository
has to be on PYTHONPATH (https://github.com/google-research/metricx); its scores are errors, 0 to 25, lower is better.
This file imports nothing of mpodata. The protocol stands in mpodata/quality/estimation.py.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Score = Callable[[Sequence[dict[str, str]]], list[float]]


def comet(model: str, batch: int) -> Score:
    """A reference-free COMET model."""
    import torch
    from comet import download_model, load_from_checkpoint  # type: ignore[import-not-found]

    loaded = load_from_checkpoint(download_model(model))

    def score(rows: Sequence[dict[str, str]]) -> list[float]:
        data = [{"src": row["src"], "mt": row["mt"]} for row in rows]
        gpus = 1 if torch.cuda.is_available() else 0
        return [float(value) for value in loaded.predict(data, batch_size=batch, gpus=gpus, progress_bar=False).scores]

    return score


def metricx(model: str, tokenizer_name: str) -> Score:
    """A reference-free MetricX-24 model: the input is `source: ... candidate: ...` without its end token."""
    import torch
    from metricx24.models import MT5ForRegression  # type: ignore[import-not-found]
    from transformers import AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_name)
    loaded = MT5ForRegression.from_pretrained(model, torch_dtype="auto").to(device).eval()

    def score(rows: Sequence[dict[str, str]]) -> list[float]:
        scores = []
        for row in rows:
            text = f"source: {row['src']} candidate: {row['mt']}"
            ids = tokenizer(text, max_length=1536, truncation=True, return_tensors="pt")["input_ids"][:, :-1].to(device)
            with torch.no_grad():
                output = loaded(input_ids=ids, attention_mask=torch.ones_like(ids))
            scores.append(float(output.predictions[0]))
        return scores

    return score


def answer(request: dict[str, Any], score: Score, about: dict[str, Any]) -> dict[str, Any]:
    """One answer of the protocol."""
    return about if request.get("about") else {"scores": score(request["rows"])}


def serve(port: int, score: Score, about: dict[str, Any]) -> None:
    """Answer on loopback until Ctrl-C."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(about)

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.reply(answer(request, score, about))

        def reply(self, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"{about['model']} on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="Unbabel/wmt22-cometkiwi-da", help="a reference-free COMET model")
    parser.add_argument("--metricx", metavar="MODEL", help="a MetricX-24 model instead")
    parser.add_argument("--tokenizer", default="google/mt5-xl", help="of MetricX")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--lines", action="store_true", help="answer lines of standard input instead of a port")
    args = parser.parse_args()
    lines = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what the libraries print is no answer
        score = metricx(args.metricx, args.tokenizer) if args.metricx else comet(args.model, args.batch)
        about = {"model": args.metricx or args.model}
        if not args.lines:
            serve(args.port, score, about)
            return
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line), score, about)), file=lines, flush=True)


if __name__ == "__main__":
    main()
