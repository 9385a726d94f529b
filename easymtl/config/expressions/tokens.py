"""Cuts an expression into its words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from easymtl.config.expressions.faults import ExpressionFault

_LONGEST = 10_000
_PATTERN = re.compile(
    r"""
    (?P<blank>\s+)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    | (?P<mark>\*\*|==|!=|>=|<=|&&|\|\||\.\.\.|[-+*/^&|<>()\[\],:=])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """A word of an expression.

    Attributes:
        kind: `number`, `name`, `mark`, or `end`, which comes last.
        text: as it is written.
        position: of its first character.
    """

    kind: str
    text: str
    position: int

    @property
    def shown(self) -> str:
        """Returns the word as messages show it."""
        return "the end" if self.kind == "end" else f'"{self.text}"'


def tokenize(text: str) -> list[Token]:
    """Returns the words of an expression.

    Raises:
        ExpressionFault: it holds a character that no expression has, or is very long.
    """
    if len(text) > _LONGEST:
        raise ExpressionFault(text[:40] + " ...", 0, f"it has {len(text)} characters; {_LONGEST} are allowed.")
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise ExpressionFault(text, position, f'"{text[position]}" has no meaning in an expression.')
        if match.lastgroup != "blank":
            yield Token(str(match.lastgroup), match.group(), position)
        position = match.end()
    yield Token("end", "", len(text))
