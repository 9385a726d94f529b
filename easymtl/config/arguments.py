"""What a program has given where something else is taken: one message, instead of an error of whatever met it first."""

import os
from typing import Any

from easymtl.errors import UserError


def wrong_argument(function: str, argument: str, takes: str, given: Any, instead: str = "") -> UserError:
    """Returns the error of an argument of another kind than a function takes.

    Args:
        function: as a program calls it.
        argument: its name.
        takes: what it may be, in words.
        given: what it is.
        instead: a sentence about what to write.

    Example:
        >>> print(wrong_argument("easymtl.load", "path", "the path of a config", None))
        easymtl.load: path is None, and takes the path of a config.
    """
    return UserError(
        f"{function}: {argument} is {_described(given)}, and takes {takes}.{f' {instead}' * bool(instead)}"
    )


def require_path(function: str, argument: str, takes: str, given: Any, instead: str = "") -> str:
    """Returns the text of a path.

    Raises:
        UserError: it is none.
    """
    if not isinstance(given, (str, os.PathLike)):
        raise wrong_argument(function, argument, takes, given, instead)
    return os.fspath(given)


def require_functions(function: str, argument: str, given: Any) -> None:
    """Checks that a list of functions is one.

    Raises:
        UserError: it is not.
    """
    if not isinstance(given, (list, tuple)) or not all(map(callable, given)):
        raise wrong_argument(function, argument, "a list of functions, such as [print]", given)


def _described(given: Any) -> str:
    if given is None or isinstance(given, (bool, int, float)):
        return repr(given)
    if isinstance(given, str):
        return f'the text "{given if len(given) <= 40 else f"{given[:37]}..."}"'
    kind = type(given)
    package = kind.__module__.partition(".")[0]
    return f"a {kind.__qualname__}{'' if package == 'builtins' else f' of {package}'}"
