"""The implicit reward of preference training: how much likelier it made an answer (Rafailov et al. 2023, eq. 5)."""

from collections.abc import Sequence
from typing import Any, Final

from mpodata.engines.checkpoints import identity, load_pretrained, stop_ids
from mpodata.engines.templates import chat_ids, plain_ids, template_hash, turn_end
from mpodata.records import user_turn
from mpodata.registry import require
from mpodata.translators.batches import batches

TOKENS: Final = 4096  # of a batch with padding: with 128,000 words their float32 logits are 2 GB


class ImplicitReward:
    """Log-probabilities under two models, one in memory at a time. The constructor is cheap."""

    def __init__(self, aligned: str, reference: str, *, device: str = "auto") -> None:
        self.aligned, self.reference, self.device = aligned, reference, device

    def provenance(self) -> dict[str, Any]:
        return {
            "aligned": identity(self.aligned, None),
            "reference": identity(self.reference, None),
            "template": template_hash(load_pretrained("AutoTokenizer", self.aligned)),
        }

    def rewards(self, exchanges: Sequence[tuple[str, str]]) -> list[float]:
        """sum_t log pi_aligned - log pi_reference (nats) of each (prompt, answer); the end-of-turn token counts."""
        after = self._log_probs(self.aligned, exchanges)
        before = self._log_probs(self.reference, exchanges)
        return [a - b for a, b in zip(after, before, strict=True)]

    def _log_probs(self, name: str, exchanges: Sequence[tuple[str, str]]) -> list[float]:
        torch = require("torch", package="torch", purpose="ICR", extra="transformers")
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        tokenizer = load_pretrained("AutoTokenizer", name)
        model = load_pretrained("AutoModelForCausalLM", name, dtype=dtype).to(device).eval()
        ends = list(turn_end(tokenizer)) or stop_ids(tokenizer)[:1]
        rows = [
            (chat_ids(tokenizer, user_turn(prompt)), plain_ids(tokenizer, answer) + ends)
            for prompt, answer in exchanges
        ]
        sums = [0.0] * len(rows)
        for part in batches([len(prompt) + len(answer) for prompt, answer in rows], 1, tokens=TOKENS):
            for at, value in zip(part, _sums(model, [rows[at] for at in part], device), strict=True):
                sums[at] = value
        return sums


def _sums(model: Any, rows: Sequence[tuple[list[int], list[int]]], device: str) -> list[float]:
    """The summed log-probability of each answer after its prompt."""
    import torch

    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    seen = torch.zeros(len(rows), width, dtype=torch.long)
    answers = torch.zeros(len(rows), width, dtype=torch.bool)
    for at, (prompt, answer) in enumerate(rows):  # padding on the right: causal attention never sees it
        ids[at, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        seen[at, : len(prompt) + len(answer)] = 1
        answers[at, len(prompt) : len(prompt) + len(answer)] = True
    ids, seen, answers = ids.to(device), seen.to(device), answers.to(device)
    with torch.inference_mode():
        # Position n predicts token n + 1; only answer positions are turned into probabilities.
        logits = model(input_ids=ids, attention_mask=seen).logits[:, :-1][answers[:, 1:]].float()
        picked = logits.gather(-1, ids[:, 1:][answers[:, 1:]].unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)
    lengths = [len(answer) for _, answer in rows]
    return [float(part.double().sum()) for part in picked.split(lengths)]
