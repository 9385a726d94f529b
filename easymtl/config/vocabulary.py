"""Vocabularies, read once and in one way for `check`, for the size of tables and for the look-up.

A value's row is its place, so that whatever could move values, or make one that no row of data can ever hold, is a
mistake; a byte order mark, Windows line ends and empty lines at the end are no part of any value and are left out.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_MOST_PROBLEMS = 3
_GZIP_MARK = b"\x1f\x8b"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_AS_UTF8 = "Save it as UTF-8, for example with iconv -f {} -t UTF-8."


class Vocabulary(NamedTuple):
    """The values of a vocabulary, or what is wrong with it.

    Attributes:
        words: the values; the row of each is its place.
        problems: sentences that begin with the file and, where it is one, the line; the first few.
    """

    words: tuple[str, ...]
    problems: tuple[str, ...] = ()


class Inspected(NamedTuple):
    """What is to be known of a vocabulary without its values.

    Attributes:
        num_words: how many values it has.
        problems: as those of a `Vocabulary`.
    """

    num_words: int
    problems: tuple[str, ...]


def read_vocabulary(path: str) -> Vocabulary:
    """Returns the vocabulary in a file, one value a line."""
    try:
        return _parse(path, _content(path))
    except OSError as error:
        return Vocabulary((), (_unreadable(path, error),))


def inspect_vocabulary(path: str) -> Inspected:
    """Returns the size of the vocabulary in a file, and what is wrong with it; read again once it changes."""
    try:
        state = Path(path).stat()
        return _inspect(path, state.st_ino, state.st_mtime_ns, state.st_size)
    except OSError as error:
        return Inspected(0, (_unreadable(path, error),))


@lru_cache(maxsize=1024)
def _inspect(path: str, *_state: int) -> Inspected:
    found = _parse(path, _content(path))
    return Inspected(len(found.words), found.problems)


def _content(path: str) -> bytes:
    """Returns the bytes of a file; a pipe or a device, which may never end, is none."""
    file = Path(path)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise FileNotFoundError(path)
    return file.read_bytes()


def _unreadable(path: str, error: OSError) -> str:
    is_missing = isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
    what = "is no file" if is_missing else f"cannot be read: {error.strerror}"
    return f'"{path}" {what} (relative paths start at {Path.cwd()}).'


def list_problems(words: Sequence[str]) -> list[str]:
    """Returns what is wrong with the values of a `vocab_list`: sentences, the first few."""
    found, seen = [], set()
    for place, word in enumerate(words):
        if not word.strip():
            found.append(f"holds an empty value at place {place}, which no row of data can have; remove it.")
        elif word in seen:
            found.append(f'holds "{word}" twice; every value has one row, remove one of them.')
        seen.add(word)
    return found[:_MOST_PROBLEMS]


def has_blanks_around(word: str) -> bool:
    """Returns whether blanks, or characters that nobody sees, stand before or behind a value."""
    return word != word.strip() or any(
        unicodedata.category(end) in ("Cc", "Cf") for end in (word[:1], word[-1:]) if end
    )


def _parse(path: str, content: bytes) -> Vocabulary:
    if content.startswith(_UTF16_MARKS):
        return _wrong(f"{path}: this is UTF-16 text. {_AS_UTF8.format('UTF-16')}")
    if content.startswith(_GZIP_MARK):
        return _wrong(f"{path}: this is a gzip file. Unpack it, for example with gunzip, and name what comes out.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _wrong(f"{path}:{line}: this is no UTF-8 text. {_AS_UTF8.format('ISO-8859-1')}")
    words = [word.removesuffix("\r") for word in text.split("\n")]
    while words and not words[-1].strip():
        words.pop()
    if not words:
        return _wrong(f"{path}: the file is empty; it needs one value in each line.")
    return Vocabulary(tuple(words), tuple(_line_problems(path, words)[:_MOST_PROBLEMS]))


def _line_problems(path: str, words: list[str]) -> list[str]:
    """Returns what is wrong with lines, the first few; the usual vocabulary is told right as a whole."""
    is_plain = all(word.isprintable() and word and word[0] != " " != word[-1] for word in words)
    if is_plain and len(set(words)) == len(words):
        return []
    problems: list[str] = []
    first: dict[str, int] = {}
    for line, word in enumerate(words, start=1):
        problem = _problem(word) or (f'"{word}" stands on line {first[word]} too; remove one.' if word in first else "")
        if problem:
            problems.append(f"{path}:{line}: {problem}")
        first.setdefault(word, line)
        if len(problems) == _MOST_PROBLEMS:
            break
    return problems


def _problem(word: str) -> str:
    if not word.strip():
        return "the line is empty, and would be the row of no value; remove it."
    if "\0" in word:
        return f"a NUL character is in this value. {_AS_UTF8.format('UTF-16')}"
    if has_blanks_around(word):
        return (
            f"{ascii(word) if not word.isprintable() else repr(word)} has blanks or unseen characters around it, which "
            "the values of the data would need, too; remove them, or write such values into vocab_list."
        )
    if "\r" in word:
        return f"a carriage return is in {word!a}; end each line with a newline."
    return ""


def _wrong(problem: str) -> Vocabulary:
    return Vocabulary((), (problem,))
