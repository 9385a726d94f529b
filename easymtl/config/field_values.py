"""Values of input fields that are written as text in a config: defaults, and what tells the rows of a task space."""

from collections.abc import Callable

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def parse_value(type_name: str, text: str) -> int | float | bool | str:
    """Returns the value of a type, such as `INT32`, that a text stands for.

    Raises:
        ValueError: the text is no value of the type.
    """
    if type_name == "STRING":
        return text
    if text != text.strip() or "_" in text:
        raise ValueError(text)
    return _PARSERS[type_name](text)


def _integer(bits: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if len(text) > 20 or not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
            raise ValueError(text)
        return int(text)

    return parse


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text.lower()]


_PARSERS: dict[str, Callable[[str], int | float | bool]] = {
    "INT32": _integer(32),
    "INT64": _integer(64),
    "FLOAT": float,
    "DOUBLE": float,
    "BOOL": _boolean,
}
