"""Which chat template a model is used with: its own, the one the MPO authors trained with, a file's, another model's.

The authors trained through LLaMA-Factory, whose templates `llama3` and `gemma` differ from the tokenizers' own: no
system block and no date for Llama 3, answers that end with `<eos>` for Gemma. Qwen's is the tokenizer's own there too.
"""

from pathlib import Path
from typing import Any

import jinja2

from mpodata.engines.checkpoints import load_pretrained
from mpodata.errors import ConfigError

FOLDER = Path(__file__).with_name("templates")
AUTHORS = {"<|start_header_id|>": "llama3", "<start_of_turn>": "gemma"}  # a family's control token -> its template
TOKENIZER, OF_AUTHORS = "tokenizer", "authors"


def set_chat_template(tokenizer: Any, choice: str) -> None:
    """Let `tokenizer` fill the template that `choice` names; raises ConfigError where it names none.

    choice: tokenizer, authors, a Jinja file, or the folder of a run or model, whose template is taken.

    For a family that LLaMA-Factory trains with the tokenizer's own template, `authors` changes nothing.
    """
    if choice == TOKENIZER:
        return
    if choice == OF_AUTHORS:
        family = next((name for mark, name in AUTHORS.items() if mark in tokenizer.get_vocab()), None)
        if family is not None:
            tokenizer.chat_template = (FOLDER / f"{family}.jinja").read_text(encoding="utf-8")
        return
    path = Path(choice)
    tokenizer.chat_template = _from_folder(path) if path.is_dir() else _from_file(path)


def _from_folder(path: Path) -> Any:
    template = load_pretrained("AutoTokenizer", str(path)).chat_template
    if template is None:
        raise ConfigError(f"--chat_template {path}: the tokenizer in this folder has no chat template.")
    return template


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
