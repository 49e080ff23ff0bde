"""Which chat template a model is trained with: its own, the one the MPO authors trained with, or a file.

The authors trained through LLaMA-Factory, whose templates `llama3` and `gemma` differ from the tokenizers' own: no
system block and no date for Llama 3, answers that end with `<eos>` for Gemma. Qwen's is the tokenizer's own there too.
"""

from pathlib import Path
from typing import Any

import jinja2

from mpodata.errors import ConfigError

FOLDER = Path(__file__).with_name("templates")
AUTHORS = {"<|start_header_id|>": "llama3", "<start_of_turn>": "gemma"}  # a family's control token -> its template
TOKENIZER, OF_AUTHORS = "tokenizer", "authors"


def set_chat_template(tokenizer: Any, choice: str) -> None:
    """Let `tokenizer` fill the template that `choice` names: tokenizer, authors or a file; raises ConfigError.

    For a family that LLaMA-Factory trains with the tokenizer's own template, `authors` changes nothing.
    """
    if choice == TOKENIZER:
        return
    if choice == OF_AUTHORS:
        family = next((name for mark, name in AUTHORS.items() if mark in tokenizer.get_vocab()), None)
        if family is not None:
            tokenizer.chat_template = (FOLDER / f"{family}.jinja").read_text(encoding="utf-8")
        return
    tokenizer.chat_template = _from_file(Path(choice))


def _from_file(path: Path) -> str:
    try:
        template = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--chat_template must be authors, tokenizer or a Jinja file, got {str(path)!r} (no such text file)."
        ) from error
    try:
        jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"--chat_template {path}, line {error.lineno}: {error.message}.") from error
    return template
