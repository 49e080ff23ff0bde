"""NLLB (No Language Left Behind, arXiv 2207.04672).

Trained on single sentences: source tokens `[source code] ... </s>`, the target code as the first output token. Its
weights are CC-BY-NC-4.0.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.pocket import nllb_path
from mpodata.translators.seq2seq import END, Seq2Seq, Size, document_translator

SIZES: Final = {
    size.name: size
    for size in (
        Size("nllb-600m", "facebook/nllb-200-distilled-600M", "CC-BY-NC-4.0"),  # distilled from 54B
        Size("nllb-1.3b", "facebook/nllb-200-distilled-1.3B", "CC-BY-NC-4.0"),  # distilled; the better of the two 1.3B
        Size("nllb-3.3b", "facebook/nllb-200-3.3B", "CC-BY-NC-4.0"),  # trained, not distilled
        Size("pocket-nllb", str(nllb_path()), "Apache-2.0"),  # the embedded one
    )
}


class Nllb(Seq2Seq):
    """NLLB's language tokens."""

    def inputs(self, texts: Sequence[str], source: str, target: str) -> list[list[str]]:  # noqa: ARG002
        return [self.source_tokens(tokens, source) for tokens in self.tokens(texts)]

    def source_tokens(self, tokens: Sequence[str], source: str) -> list[str]:
        """The encoder's input for the tokens of a text."""
        return [self.code(source), *tokens, END]

    def target_prefix(self, target: str) -> list[str]:
        return [self.code(target)]

    def check_language(self, language: str) -> None:
        self.code(language)

    def code(self, language: str) -> str:
        """NLLB's token for `language`."""
        code = language_of(language).flores
        if not self.has_token(code):
            raise ConfigError(f"{self.name} does not know the language {language!r} ({code}).")
        return code


nllb_600m = partial(document_translator, Nllb, SIZES["nllb-600m"])
nllb_1_3b = partial(document_translator, Nllb, SIZES["nllb-1.3b"])
nllb_3_3b = partial(document_translator, Nllb, SIZES["nllb-3.3b"])
pocket_nllb = partial(document_translator, Nllb, SIZES["pocket-nllb"], beam=1)
