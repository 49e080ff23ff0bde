"""Minos (Nous Research, 2025): a small encoder that says refusal or not; no text is generated.

Model card: https://huggingface.co/NousResearch/Minos-v1 (ModernBERT-large, 0.4B parameters, 8,192 tokens). Input:
`<|user|>`, the prompt, `<|assistant|>`, the answer, each on lines of its own. Classes: 0 Non-refusal, 1 Refusal. The
card names no languages; the encoder below it was trained on English and code, so English is what is claimed here.
"""

from collections.abc import Sequence
from typing import Any, Final

from mpodata.engines.checkpoints import identity, load_pretrained
from mpodata.engines.transformers import usable_device
from mpodata.errors import ConfigError
from mpodata.refusals import Exchange, Label, Verdict
from mpodata.refusals.guards import without_marks
from mpodata.registry import require
from mpodata.runtime.journal import Journal

VERSION = 1  # of the input's form: bump when it changes
LABELS: Final = ({"non-refusal": 0, "refusal": 1}, {"label_0": 0, "label_1": 1})  # named, or not named at all


class Minos:
    """A detector on a sequence classifier with the two classes above. Probabilities are journaled, not verdicts."""

    def __init__(
        self,
        *,
        model: str = "NousResearch/Minos-v1",
        revision: str | None = None,
        threshold: float = 0.5,
        device: str = "auto",
        batch_size: int = 32,
        journal: Journal | None = None,
    ) -> None:
        """threshold: a refusal from this probability on. batch_size: exchanges at once, most."""
        if not 0 < threshold < 1:
            raise ConfigError(f"minos.threshold must lie between 0 and 1, got {threshold}.")
        if batch_size < 1:
            raise ConfigError(f"minos.batch_size must be at least 1, got {batch_size}.")
        self.name, self.revision, self.device = model, revision, device
        self.threshold, self.batch_size, self.journal = threshold, batch_size, journal
        self._model: Any = None
        self._tokenizer: Any = None

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """Refusal or compliance, with the probability as detail; an empty answer is `unknown`."""
        texts = [_text(exchange) for exchange in exchanges if exchange.answer.strip()]
        probabilities = iter(self._probabilities(texts))
        return [
            self._verdict(next(probabilities))
            if exchange.answer.strip()
            else Verdict("unknown", "minos", None, "empty")
            for exchange in exchanges
        ]

    def languages(self) -> frozenset[str] | None:
        return frozenset({"en"})

    def provenance(self) -> dict[str, Any]:
        """The model, its files' identity, the version of the input's form and the threshold."""
        return {"detector": "minos", **self._spec(), "settings": {"threshold": self.threshold}}

    def _spec(self) -> dict[str, Any]:
        return {"form": VERSION, "model": self.name, "revision": identity(self.name, self.revision)}

    def _verdict(self, probability: float) -> Verdict:
        label: Label = "refusal" if probability >= self.threshold else "compliance"
        return Verdict(label, "minos", None, f"refusal {probability:.2f}")

    def _probabilities(self, texts: list[str]) -> list[float]:
        if self.journal is None:
            return self._classify(texts)
        return self.journal.through("detector:minos", self._spec(), texts, self._classify, block=256)

    def _classify(self, texts: Sequence[str]) -> list[float]:
        """The probability of a refusal for each text; rows of one batch have about the same length."""
        if not texts:
            return []
        torch = require("torch", package="torch", purpose="The detector minos", extra="transformers")
        self._ensure_loaded(torch)
        most = min(self._tokenizer.model_max_length, self._model.config.max_position_embeddings)
        tokens = [self._tokenizer(text, truncation=True, max_length=most)["input_ids"] for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        probabilities = [0.0] * len(texts)
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            batch = self._tokenizer.pad({"input_ids": [tokens[place] for place in places]}, return_tensors="pt")
            with torch.inference_mode():
                logits = self._model(**batch.to(self._model.device)).logits.float()
            for place, probability in zip(places, logits.softmax(-1)[:, 1].tolist(), strict=True):
                probabilities[place] = round(probability, 6)
        return probabilities

    def _ensure_loaded(self, torch: Any) -> None:
        if self._model is not None:
            return
        device = usable_device(torch, self.device)
        self._tokenizer = load_pretrained("AutoTokenizer", self.name, self.revision)
        model = load_pretrained("AutoModelForSequenceClassification", self.name, self.revision, dtype="float32")
        labels = model.config.label2id
        if {label.lower(): number for label, number in labels.items()} not in LABELS:
            raise ConfigError(
                f"Model {self.name!r} is no classifier of refusals: its labels are {', '.join(sorted(labels))}; "
                "minos needs Non-refusal and Refusal."
            )
        self._model = model.to(device).eval()


def _text(exchange: Exchange) -> str:
    return f"<|user|>\n{without_marks(exchange.prompt)}\n<|assistant|>\n{without_marks(exchange.answer)}"
