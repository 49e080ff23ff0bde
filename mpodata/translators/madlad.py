"""MADLAD-400 (Kudugunta et al. 2023, arXiv 2309.04662): T5 models for 400 languages, Apache-2.0.

The target language is a token before the source text, `<2sw> How are you?`; the decoder starts with token 0.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.translators.seq2seq import END, Seq2Seq, Size, document_translator

SIZES: Final = {
    size.name: size
    for size in (
        Size("madlad-3b", "google/madlad400-3b-mt", "Apache-2.0"),
        Size("madlad-7b", "google/madlad400-7b-mt", "Apache-2.0"),
        Size("madlad-10b", "google/madlad400-10b-mt", "Apache-2.0"),
    )
}


class Madlad(Seq2Seq):
    """MADLAD's language tokens."""

    def inputs(self, texts: Sequence[str], source: str, target: str) -> list[list[str]]:  # noqa: ARG002
        """Tokens of `<2xx> text`, as the model's own tokenizer cuts them."""
        code = self.code(target)
        prompts = [f"{code} {_without_codes(text)}" for text in texts]
        return [[*tokens, END] for tokens in self.tokens(prompts)]

    def check_language(self, language: str) -> None:
        self.code(language)

    def code(self, language: str) -> str:
        """The token of a target language: ISO 639-1 codes, in a few cases the older ones that Google uses ("iw")."""
        row = language_of(language)
        codes = [f"<2{code}>" for code in dict.fromkeys([row.code, row.google, *row.also.split("|")]) if code]
        code_token = next(filter(self.has_token, codes), None)
        if code_token is None:
            raise ConfigError(f"{self.name} does not know the language {language!r} ({codes[0]}).")
        return code_token


def _without_codes(text: str) -> str:
    """`text` with a space in what reads like a language token: one inside a text would change its language."""
    return text.replace("<2", "< 2")


madlad_3b = partial(document_translator, Madlad, SIZES["madlad-3b"])
madlad_7b = partial(document_translator, Madlad, SIZES["madlad-7b"])
madlad_10b = partial(document_translator, Madlad, SIZES["madlad-10b"])
