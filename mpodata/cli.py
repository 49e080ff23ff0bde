"""The command line of mpodata: finds the command, runs it, turns a user's mistake into one sentence.

A command is a module of `mpodata.commands` with `HELP` (one line), `EXAMPLE`, `arguments(parser)` and `run(args)`; it
is imported when asked for, so that `mpodata --help` stays fast.
"""

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from types import TracebackType
from typing import NoReturn

from mpodata.about import __version__
from mpodata.display.terminal import LINE_BREAK, printable
from mpodata.errors import ConfigError, MpoError, UnknownName
from mpodata.hub import redact
from mpodata.runtime.files import explain_os_error
from mpodata.runtime.flags import sentence_of

Tell = Callable[[str, str], None]  # (program, sentence)

ABOUT = "Multilingual refusal preference data: build, check, version, publish."

COMMANDS = {
    "build": "build refusal preference pairs and translate them into other languages",
    "build-native": "build refusal pairs in each language itself, from slots of category and style",
    "plan": "say what a build would do, cost and be licensed as, before it does it",
    "audit": "run the quality checks over any multilingual preference data",
    "publish": "publish a built version to the Hub or to a folder registry",
    "versions": "list the versions of a dataset",
    "diff": "compare two versions: rows, configs, quality",
    "verify": "check a version: hashes, schema, pairs, card",
    "show": "show one pair, its languages side by side",
    "review": "open a page on which native readers judge a version's rows",
    "apply-review": "make the next version from the readers' decisions",
    "compare-translators": "say where two translators of one version differ most",
    "translate-benchmark": "translate XSTest into other languages: a multilingual over-refusal benchmark",
    "original-pairs": "write every training pair that MAPO or LIDR make of a version",
    "export": "write a version for TRL, LLaMA-Factory, axolotl, NeMo RL, OpenRLHF, verl",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `mpodata`; returns the exit code: 0, 1 (a bug), 2 (what the user can mend), 130 (Ctrl-C)."""
    return dispatch("mpodata", ABOUT, "mpodata.commands", COMMANDS, sys.argv[1:] if arguments is None else arguments)


def dispatch(
    program: str,
    about: str,
    package: str,
    commands: Mapping[str, str],
    arguments: Sequence[str],
    tell: Tell | None = None,
) -> int:
    """Run one command of `package`; shared by mpodata and mpotrain. tell: says a sentence (default: `say`)."""
    tell = tell or say
    sys.excepthook = _report_bug
    listing = "\n".join(f"  {name:<20} {text}" for name, text in commands.items())
    parser = CommandParser(
        program,
        description=about,
        epilog=f"commands:\n{listing}\n\nRun `{program} COMMAND --help` for its options and an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", metavar="COMMAND")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    try:
        chosen = parser.parse_args(arguments)
        if chosen.command not in commands:
            raise UnknownName("command", chosen.command, commands)
    except MpoError as error:
        tell(program, str(error))
        return 2
    return _run(program, package, chosen.command, chosen.rest, tell)


class CommandParser(argparse.ArgumentParser):
    """argparse with our errors: one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError, with the closest flag for one that does not exist."""
        told = sentence_of(message)
        if message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0].partition("=")[0]
            close = get_close_matches(unknown, self._option_string_actions, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]}?" if close and unknown.startswith("-") else ""
            raise ConfigError(f"Unknown argument {unknown!r}.{hint} `{self.prog} --help` lists the options.")
        raise ConfigError(f"{told[:1].upper()}{told[1:]}. `{self.prog} --help` lists the options.")


def _run(program: str, package: str, name: str, rest: Sequence[str], tell: Tell) -> int:
    try:
        command = import_module(f"{package}.{name.replace('-', '_')}")
        parser = CommandParser(
            f"{program} {name}",
            description=command.HELP,
            epilog=f"example:\n  {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(parser)
        if "--out" in parser._option_string_actions:  # TRL's name for it is understood too
            rest = [re.sub(r"^--output[_-]dir(?==|$)", "--out", word) for word in rest]
        # A command that reads its own flags (TRL's parser for `mpotrain train`) takes what argparse does not know.
        args, unknown = parser.parse_known_args(rest)
        if unknown and not getattr(command, "OWN_FLAGS", False):
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        args.rest = unknown
        args.words = [program, name, *rest]  # the command line as typed, for records that must repeat it
        code = int(command.run(args) or 0)
        _flush()  # a full disk or a closed pipe is met here, not when the interpreter ends
        return code
    except MpoError as error:
        _settle_output()
        tell(program, str(error))
        return 2
    except KeyboardInterrupt:
        _settle_output()
        print(file=sys.stderr)  # the terminal's ^C stands in this line
        tell(program, "stopped. Run the same command again to continue.")
        return 130
    except BrokenPipeError:  # `mpodata show ... | head`
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as error:  # a full disk, a folder that cannot be written, a missing file
        sentence = explain_os_error(error)
        if sentence is None:
            raise
        _settle_output()
        tell(program, sentence)
        return 2


def _flush() -> None:
    if sys.stdout is not None:  # closed by the shell: >&-
        sys.stdout.flush()


def _settle_output() -> None:
    """What was printed before a failure, as far as it can still be written."""
    try:
        _flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """Standard output takes nothing more: what is still buffered is dropped, or it would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(program: str, sentence: str) -> None:
    """One sentence on standard error, without secrets and without what a terminal would obey."""
    print(f"{program}: {printable(redact(sentence), keep=LINE_BREAK)}", file=sys.stderr)


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of a bug, without secrets: error messages of libraries hold URLs and headers."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print(printable(redact(text), keep=LINE_BREAK), end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
