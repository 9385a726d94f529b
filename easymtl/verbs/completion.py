"""`easymtl completion`: a script with which a shell completes commands, flags, files and names."""

import argparse
from collections.abc import Iterator

from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.reporting.outcomes_around import Script
from easymtl.reporting.output import current

SHELLS = ("bash", "zsh", "fish")
_PERMUTED = ("feature", "input", "group")

# What a value is, by how the help calls it.
_CONFIGS = ("CONFIG",)
_FOLDERS = ("DIR", "FOLDER", "EXPORT", "MODEL_DIR")
_FILES = ("FILE", "PATH", "PATHS", "BASE", "DATA", "A", "B")
# Those are files to the help, of which more is known.
_OF_CONFIGS = ("pipeline_config", "config", "like")


def run(options: argparse.Namespace) -> None:
    """Prints the script of a shell.

    Raises:
        UserError: there is no script for the shell, or the package that writes scripts is not installed.
    """
    text = script(options.parser_of_all(), options.shell)
    current().result(Script(options.shell, text), lambda: print(text, end=""))


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Returns the script that completes the commands of a parser.

    Raises:
        UserError: there is none for the shell, or the package that writes scripts is not installed.
    """
    if shell not in SHELLS:
        raise UserError(f'SHELL "{shell}" is none of {quoted(SHELLS)}.{did_you_mean(shell, SHELLS)}')
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError("The package shtab is not installed. Install with: pip install 'shtab>=1.7.2,<2'") from None
    for verb, action in _actions(parser):
        words = _words(verb, action)
        if action.metavar in _CONFIGS or action.dest in _OF_CONFIGS:
            action.complete = shtab.glob("*.config")  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif words:
            action.choices = words
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Yields what each command takes, with the name of the command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                yield from ((name, inner) for inner in verb._actions)


def _words(verb: str, action: argparse.Action) -> tuple[str, ...]:
    """Returns the words that a value is usually one of; others are allowed, or refused by the command itself."""
    if action.dest == "checkpoint":
        return ("latest", "best")
    if verb == "synth":
        from easymtl.synth import DATA_SETS, FORMATS, HISTORIES

        return {"name": tuple(DATA_SETS), "format": tuple(FORMATS), "histories": tuple(HISTORIES)}.get(action.dest, ())
    if verb == "follow" and action.dest in ("late", "export"):
        from easymtl.following.wishes import EXPORTS, LATE

        return LATE if action.dest == "late" else EXPORTS
    if (verb, action.dest) == ("plan", "device"):
        from easymtl.planning.rates import DEVICES

        return DEVICES
    return {("completion", "shell"): SHELLS, ("importance", "by"): _PERMUTED}.get((verb, action.dest), ())
