"""Cuts text-format protobuf into tokens that know their line and column.

`google.protobuf.text_format` stops at the first mistake and forgets where a field stood. Here every character
ends up in some token: what is no word, number, string or mark becomes a token of kind `bad`, and the parser
reports it when it meets it.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<blank>   [ \t\r\f\v]+ )
  | (?P<newline> \n )
  | (?P<comment> \#[^\n]* )
  | (?P<word>    [A-Za-z_][A-Za-z0-9_]* )
  | (?P<number>  (?: 0[xX][0-9A-Fa-f]+ | (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? [fF]? ) (?! [A-Za-z0-9_.] ) )
  | (?P<string>  "(?:[^"\\\n]|\\[^\n])*" | '(?:[^'\\\n]|\\[^\n])*' )
  | (?P<mark>    [{}<>\[\]:,;/-] )
  | (?P<bad>     ["'][^\n]* | [0-9.][A-Za-z0-9_.]* | [^\s"'\#{}<>\[\]:,;/A-Za-z0-9_.-]+ | . )
    """,
    re.VERBOSE | re.ASCII,
)
_SHOWN_LENGTH = 40


class Token(NamedTuple):
    """A piece of text. `kind` is `word`, `number`, `string`, `mark`, `bad` or `end`."""

    kind: str
    text: str
    line: int
    column: int

    @property
    def shown(self) -> str:
        """The token as an error message shows it: cut when long, unprintable characters escaped."""
        if self.kind == "end":
            return "the end of the text"
        text = self.text if len(self.text) <= _SHOWN_LENGTH else self.text[:_SHOWN_LENGTH] + "..."
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def tokens(text: str) -> list[Token]:
    """Returns the tokens of a text, blanks and comments left out, closed by a token of kind `end`."""
    found = []
    line, line_start = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "newline":
            line, line_start = line + 1, match.end()
        elif kind not in ("blank", "comment"):
            found.append(Token(str(kind), match.group(), line, match.start() - line_start + 1))
    found.append(Token("end", "", line, len(text) - line_start + 1))
    return found
