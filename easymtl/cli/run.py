"""Runs one command, and turns its end into an exit code."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from easymtl.cli.commands import build_parser
from easymtl.cli.parser import EXIT_USER_ERROR
from easymtl.errors import Interrupted, UserError

_EXIT_INTERRUPTED = 130
# They name no file when they meet the writing, rather than the opening, of one.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    It is 0, 1 where `verify` found other scores, 2 for a mistake of the user's, 130 when interrupted.
    """
    parser = build_parser()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser.refuse_unknown(arguments)
    options = parser.parse_args(arguments)
    verb = importlib.import_module("easymtl.verbs." + options.verb.replace("-", "_"))
    try:
        _take_edits(options)
        code = verb.run(options)
        sys.stdout.flush()
        return code or 0
    except UserError as error:
        print(f"easymtl {options.verb}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except BrokenPipeError:
        # Whoever read the output has closed it, as `head` does; Python must not fail at flushing it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USER_ERROR
    except OSError as error:
        if error.filename is None and error.errno not in _DISK_ERRORS:
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"easymtl {options.verb}: {place}{error.strerror}.", file=sys.stderr)
        return EXIT_USER_ERROR
    except Interrupted:
        return _EXIT_INTERRUPTED
    except KeyboardInterrupt:
        print(f"easymtl {options.verb}: interrupted.", file=sys.stderr)
        return _EXIT_INTERRUPTED


def _take_edits(options: argparse.Namespace) -> None:
    """Puts what flags say of fields before what `--set` says, which has the last word."""
    if not hasattr(options, "edit_config_json"):
        return
    from easymtl.config.edits import FLAGS, overrides_of

    flags = {name: getattr(options, name, None) for name in FLAGS}
    options.overrides = [*overrides_of(flags, options.edit_config_json), *options.overrides]
