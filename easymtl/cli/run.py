"""Runs one command, and turns its end into an exit code."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from itertools import pairwise

from easymtl.cli.commands import build_parser
from easymtl.cli.next_steps import next_steps
from easymtl.cli.options import LOG_FORMAT, take_config
from easymtl.cli.parser import EXIT_USER_ERROR, Parser, WrongArguments
from easymtl.errors import EXIT_PEER_LOST, Interrupted, PeersError, UserError
from easymtl.reporting.output import JsonLines, Output, error_record, speaking
from easymtl.reporting.streams import say, width_of

_EXIT_INTERRUPTED = 130
_STANDARD_OUTPUT = 1
# Their standard output is for a file, or another program.
_FOR_OTHERS = ("convert", "completion")
# They name no file when they meet the writing, rather than the opening, of one.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def main(arguments: Sequence[str] | None = None, is_program: bool = False) -> int:
    """Runs one command and returns its exit code.

    It is 0, 1 where `verify` found other scores, 2 for a mistake of the user's, 75 where another worker was lost, 130
    when interrupted.

    Args:
        arguments: the command; those of the process if there are none.
        is_program: whether the process does nothing else, so that nobody in it hands over what is of pandas.
    """
    try:
        return _main(arguments, is_program)
    except KeyboardInterrupt:
        # Once more while the command was ending: what there was to be said has been said.
        return _EXIT_INTERRUPTED


def _main(arguments: Sequence[str] | None, is_program: bool) -> int:
    parser = build_parser()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(parser, arguments)
    is_stdout_result = options.verb in _FOR_OTHERS or getattr(options, "json", False)
    with speaking(options.verb, options.log_format, options.quiet, is_stdout_result) as output:
        # TensorFlow, Arrow and protobuf are still to be loaded.
        output.phases.begin("starting", f"easymtl {options.verb}")
        try:
            code = _run(options, is_program)
            if not code:
                _tell_next(options, output)
            sys.stdout.flush()
            return code
        except UserError as error:
            return _fail(output, str(error))
        except PeersError as error:
            return _fail(output, str(error), EXIT_PEER_LOST)
        except BrokenPipeError:
            # Whoever read the output has closed it, as `head` does; Python must not fail at flushing it once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_OUTPUT)
            return EXIT_USER_ERROR
        except OSError as error:
            if error.filename is None and error.errno not in _DISK_ERRORS:
                raise
            place = f"{error.filename}: " if error.filename is not None else ""
            return _fail(output, f"{place}{error.strerror}.")
        except Interrupted:
            output.error("interrupted.", _EXIT_INTERRUPTED)
            return _EXIT_INTERRUPTED
        except KeyboardInterrupt:
            return _fail(output, "interrupted.", _EXIT_INTERRUPTED)


def parse(parser: Parser, arguments: list[str]) -> argparse.Namespace:
    """Returns the options of a command; what is wrong with them ends the program with exit code 2."""
    try:
        arguments, command = _cut(arguments)
        options = _options(parser, arguments)
        if command is not None:
            options.command = command
            # What is wrong with it is told before workers are started.
            options.command_options = _options(parser, command) if command else None
    except WrongArguments as error:
        if _wants_json(arguments):
            JsonLines(sys.stdout).write(error_record(error.message, EXIT_USER_ERROR))
        raise
    return options


def _options(parser: Parser, arguments: list[str]) -> argparse.Namespace:
    parser.refuse_unknown(arguments)
    options = parser.parse_whole(arguments)
    take_config(parser.verbs[options.verb], options)
    return options


def _cut(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """Returns the arguments of `launch` before `--`, and the command behind it; None where it is not `launch`."""
    if arguments[:1] != ["launch"]:
        return arguments, None
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


def _wants_json(arguments: Sequence[str]) -> bool:
    """Returns whether arguments that cannot be parsed ask for lines of JSON."""
    words = [word for text in arguments for word in text.split("=", 1)]
    return (LOG_FORMAT, "json") in pairwise(words)


def _run(options: argparse.Namespace, is_program: bool) -> int:
    _take_edits(options)
    verb = importlib.import_module("easymtl.verbs." + options.verb.replace("-", "_"))
    if is_program and "pyarrow" in sys.modules:
        from easymtl.data.arrow_alone import leave_pandas_out

        leave_pandas_out()
    return verb.run(options) or 0


def _fail(output: Output, message: str, code: int = EXIT_USER_ERROR) -> int:
    """Says why a command has failed, to a person and to a program."""
    output.phases.end()
    say(f"easymtl {output.verb}: {message}", sys.stderr)
    output.error(message, code)
    return code


def _tell_next(options: argparse.Namespace, output: Output) -> None:
    """Prints what to do next, where a person reads."""
    output.phases.end()
    if output.is_json or output.is_quiet or output.is_unfinished:
        return
    stream = sys.stderr if output.is_stdout_result else sys.stdout
    lines = next_steps(options, width_of(stream)) if stream.isatty() else next_steps(options)
    if lines:
        print(*lines, sep="\n", file=stream)


def _take_edits(options: argparse.Namespace) -> None:
    """Puts what flags say of fields before what `--set` says, which has the last word."""
    if not hasattr(options, "edit_config_json"):
        return
    from easymtl.config.edits import FLAGS, overrides_of

    flags = {name: getattr(options, name, None) for name in FLAGS}
    options.overrides = [*overrides_of(flags, options.edit_config_json), *options.overrides]
