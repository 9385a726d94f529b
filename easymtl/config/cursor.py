"""A place in a list of tokens: what comes next, and how to step over what cannot be understood."""

from easymtl.config.lexer import Token, tokens

OPENERS = {"{": "}", "<": ">", "[": "]"}
CLOSERS = frozenset(OPENERS.values())
_AFTER_NAME = (":", *OPENERS)


class Cursor:
    """Steps through the tokens of a text; the last one, of kind `end`, is never left."""

    def __init__(self, text: str):
        self._tokens = tokens(text)
        self._next = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._next]

    @property
    def following(self) -> Token:
        """The token behind the next one."""
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    @property
    def num_unclosed(self) -> int:
        """How many more braces and brackets the whole text opens than closes."""
        marks = [token.text for token in self._tokens if token.kind == "mark"]
        return sum((mark in OPENERS) - (mark in CLOSERS) for mark in marks)

    def take(self) -> Token:
        """Returns the next token and steps over it."""
        token = self.token
        if token.kind != "end":
            self._next += 1
        return token

    def take_if(self, *marks: str) -> bool:
        """Steps over the next token when it is one of the marks; returns whether it was."""
        if not self.at_mark(*marks):
            return False
        self._next += 1
        return True

    def at_mark(self, *marks: str) -> bool:
        """Returns whether the next token is one of the marks."""
        return self.token.kind == "mark" and self.token.text in marks

    def at_field(self) -> bool:
        """Returns whether the next tokens look like the beginning of a field: a name and what follows names."""
        return self.token.kind == "word" and self.following.kind == "mark" and self.following.text in _AFTER_NAME

    def give_back(self) -> None:
        """Steps back over one token."""
        self._next -= 1

    def take_scalar(self) -> list[Token]:
        """Takes the tokens of one scalar value; none when the next token cannot begin one."""
        first = self.token
        if first.kind == "string":
            value = [self.take()]
            while self.token.kind == "string":
                value.append(self.take())
            return value
        if first.text == "-" and self.following.kind in ("number", "word"):
            return [self.take(), self.take()]
        return [self.take()] if first.kind in ("word", "number", "bad") else []

    def skip_value(self) -> Token | None:
        """Skips an optional ":" and a value of any kind; returns the brace that is never closed, if it met one."""
        self.take_if(":")
        if self.at_mark(*OPENERS):
            return self.skip_piece()
        self.take_scalar()
        return None

    def skip_piece(self) -> Token | None:
        """Skips one token with all that it opens; returns it when that is never closed."""
        opening = self.token
        depth = 0
        while self.token.kind != "end":
            token = self.take()
            if token.kind == "mark":
                depth += (token.text in OPENERS) - (token.text in CLOSERS)
            if depth <= 0:
                return None
        return opening if depth > 0 else None

    def skip_to_field(self) -> None:
        """Skips to what looks like a field, to a closing brace or to the end."""
        while self.token.kind != "end" and not self.at_field() and not self.at_mark(*CLOSERS):
            self.skip_piece()
