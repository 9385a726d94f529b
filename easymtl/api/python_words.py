"""Messages in the words of who reads them: a program has arguments where a command has flags."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from easymtl.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")

_VALUES = {"true": "True", "false": "False"}


def in_python(*arguments: str, **of_flags: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets a function that programs call name its arguments in messages that commands get with flags.

    Args:
        arguments: that are called as their flag: `--keep: ...` becomes `keep: ...`.
        of_flags: flag -> argument of another name.
    """
    names = {**{name: name for name in arguments}, **of_flags}

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def told(*given: P.args, **named: P.kwargs) -> R:
            try:
                return function(*given, **named)
            except UserError as error:
                text = without_flags(str(error), names)
                if text != str(error):
                    error.args = (text,)
                raise

        return told

    return decorate


def without_flags(text: str, names: Mapping[str, str]) -> str:
    """Returns a text with the flags of commands as arguments of Python.

    What a command line as a whole is, such as `easymtl train --new_data`, stays: it can be run.

    Example:
        >>> without_flags("--continue_train=false: there is one", {"continue_train": "continue_train"})
        'continue_train=False: there is one'
    """
    pattern = re.compile(rf"(easymtl [a-z-]+ (?:(?:(?!\. )[^,;\n])*? )?)?--({_any_of(names)})\b(?:=(true|false)\b)?")

    def argument(found: re.Match[str]) -> str:
        command, flag, value = found.groups()
        if command:
            return found[0]
        return names[flag] + (f"={_VALUES[value]}" if value else "")

    return pattern.sub(argument, text)


def _any_of(names: Iterable[str]) -> str:
    # The longest first: one flag may begin another.
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
