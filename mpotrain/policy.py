"""The model that is trained and its tokenizer, as other programs load them."""

from mpotrain.model.loading import load_policy, load_tokenizer

__all__ = ["load_policy", "load_tokenizer"]
