"""What a label is: an event, one of several classes, a count, a rate, a value of many sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.drafting import names
from easymtl.drafting.column_profile import ColumnProfile, numbers_of
from easymtl.drafting.facts import Fact
from easymtl.drafting.kinds import Kind
from easymtl.drafting.profile import Profile
from easymtl.errors import UserError, did_you_mean, quoted

_MOST_CLASSES = 30
_YES = {"yes", "y", "true", "t", "1", "positive", "pos", "click", "clicked", "buy", "bought", "success", "good", "on"}
_NO = {"no", "n", "false", "f", "0", "-1", "negative", "neg", "none", "fail", "failure", "bad", "off"}
_SKEWED, _LARGE = 2.0, 20.0
_CLASS_WORDS = {"class", "category", "type", "kind"}
_FEW_NUMBERS, _FEWEST_ROWS = 10, 20


@dataclass
class Label:
    """A label of the data.

    Attributes:
        name: its column.
        kind: `event`, `classes`, `rate`, `count` or `value`.
        input_type: how the column is declared.
        numbers: the number of each text, for labels of texts.
        num_classes: of `classes`.
        deviation: standard deviation of a number.
        is_skewed: whether a number, never negative, has a long tail.
        reason: what was found, for people.
        notes: what was guessed.
    """

    name: str
    kind: str
    input_type: str
    numbers: dict[str, float] = field(default_factory=dict)
    num_classes: int = 1
    deviation: float = 1.0
    is_skewed: bool = False
    reason: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def is_event(self) -> bool:
        """Whether it is 0 or 1."""
        return self.kind == "event"


def find_labels(profile: Profile, wanted: Sequence[str]) -> list[Label]:
    """Returns what the labels are, in the order in which they were named.

    Raises:
        UserError: there is no such column, or nothing can be learnt of it.
    """
    found = []
    for name in wanted:
        if name not in profile.columns:
            known = profile.columns
            raise UserError(
                f'--labels: there is no column "{name}".{did_you_mean(name, known)} The columns are {quoted(known)}.'
            )
        found.append(_label(profile.columns[name], profile))
    return found


def _label(column: ColumnProfile, profile: Profile) -> Label:
    name = column.name
    if column.is_list or column.kind in (Kind.NESTED, Kind.LISTS):
        raise UserError(f'--labels: "{name}" holds {column.kind.value}. A label is one number or text in each row.')
    if column.kind in (Kind.TIME, Kind.DATE):
        raise UserError(f'--labels: "{name}" holds {column.kind.value}. Write the seconds since something as a number.')
    if column.num_distinct < 2:
        only = "no row has a value" if not column.num_values else "all rows have the same value"
        raise UserError(f'--labels: nothing can be learnt of "{name}": {only}.')
    if column.kind is Kind.TEXT and not column.is_number:
        label = _of_texts(column)
    elif column.kind is Kind.BOOL:
        label = Label(name, "event", "BOOL")
    else:
        label = _of_numbers(column, profile)
    if column.num_missing:
        label.reason += f", {shown_share(column.missing_rate)} missing: such rows do not count for it"
    _note_rare(label, column)
    return label


def _note_rare(label: Label, column: ColumnProfile) -> None:
    """Notes an event that hardly ever happens, or hardly ever does not: nothing can be learnt, or judged by."""
    _, counts = column.tally.counted()
    if label.is_event and len(counts) == 2 and (rows := int(min(counts))) < _FEWEST_ROWS:
        label.notes.append(
            f'only {rows} of {column.num_values:,} rows have the rarer value of the label "{label.name}": too few to '
            "learn it, and to judge by."
        )


def _of_texts(column: ColumnProfile) -> Label:
    if column.num_distinct > _MOST_CLASSES:
        raise UserError(
            f'--labels: "{column.name}" holds {column.num_distinct:,} different texts, too many for classes '
            f"({_MOST_CLASSES}). Write numbers, or fewer classes."
        )
    values, _ = column.tally.counted()
    texts = values.to_pylist()
    if len(texts) == 2:
        return _of_two_texts(column.name, texts)
    label = Label(column.name, "classes", "STRING", dict(zip(sorted(texts), range(len(texts)))), len(texts))
    label.reason = f"{len(texts)} texts"
    label.notes.append(Fact(f'the texts of "{column.name}" are numbered as classes in the order of the alphabet.'))
    return label


def _of_two_texts(name: str, texts: list[str]) -> Label:
    """Returns the event of two texts, the more frequent first: which of them is 1 is told by meaning, or guessed."""
    frequent, rare = texts
    words = [text.strip().lower() for text in texts]
    label = Label(name, "event", "STRING")
    if (words[0] in _YES and words[1] not in _YES) or (words[1] in _NO and words[0] not in _NO):
        happened = frequent
    else:
        happened = rare
        if words[1] not in _YES and words[0] not in _NO:
            label.notes.append(f'of the label "{name}" the rarer text "{rare}" is taken for 1, "{frequent}" for 0.')
    other = frequent if happened == rare else rare
    label.numbers = {happened: 1, other: 0}
    label.reason = f'"{happened}" is 1'
    return label


def _of_numbers(column: ColumnProfile, profile: Profile) -> Label:
    """Returns what a label of numbers, or of texts that spell them, is."""
    name = column.name
    if column.has_infinite:
        raise UserError(f'--labels: "{name}" holds infinite numbers. Write them as null, which is a missing label.')
    numbers, counts = numbers_of(column, profile.sample[name])
    distinct = numbers.tolist()
    low, high = float(column.low or 0), float(column.high or 0)
    if distinct == [0, 1]:
        share = shown_share(float(counts[1] / counts.sum()))
        return Label(name, "event", _whole_type(column), reason=f"{share} are 1")
    if len(distinct) == 2 and column.kind is Kind.WHOLE:
        return _of_two_numbers(name, numbers)
    if column.is_whole and low >= 0 and high < _MOST_CLASSES and _CLASS_WORDS & set(names.words_of(name)):
        label = Label(name, "classes", _whole_type(column), num_classes=int(high) + 1)
        label.reason = f"whole numbers to {high:.0f}, by its name classes"
        return label
    mean = float(np.average(numbers, weights=counts))
    deviation = float(np.sqrt(np.average((numbers - mean) ** 2, weights=counts))) or 1.0
    skewness = float(np.average(((numbers - mean) / deviation) ** 3, weights=counts))
    if low >= 0 and high <= 1 and not column.is_whole:
        return Label(name, "rate", "FLOAT", reason=f"between {low:g} and {high:g}", deviation=deviation)
    kind = "count" if column.is_whole and low >= 0 else "value"
    label = Label(name, kind, _whole_type(column) if column.is_whole else "FLOAT", deviation=deviation)
    label.is_skewed = low >= 0 and high > _LARGE and skewness > _SKEWED
    label.reason = f"{low:g} to {high:g}, deviation {deviation:.3g}" + (", a long tail" if label.is_skewed else "")
    if kind == "count" and len(distinct) <= _FEW_NUMBERS and high < _MOST_CLASSES:
        label.notes.append(
            f'the whole numbers of the label "{name}", {low:g} to {high:g}, are taken for amounts. Where they are '
            f'classes, call the column "{name}_class".'
        )
    return label


def _of_two_numbers(name: str, numbers: np.ndarray) -> Label:
    """Returns the event of two whole numbers other than 0 and 1, such as -1 and 1: the larger one is 1."""
    texts = [str(int(number)) for number in numbers]
    label = Label(name, "event", "STRING", {texts[1]: 1, texts[0]: 0}, reason=f"{texts[1]} is 1")
    label.notes.append(f'of the label "{name}" {texts[1]} is taken for 1, {texts[0]} for 0.')
    return label


def _whole_type(column: ColumnProfile) -> str:
    if not column.is_whole:
        return "FLOAT"
    is_small = (column.low or 0) >= -(1 << 31) and (column.high or 0) < 1 << 31
    if column.kind is Kind.DECIMAL:
        return "FLOAT"
    return "INT32" if is_small else "INT64"


def label_numbers(label: Label, values: pa.ChunkedArray) -> np.ndarray:
    """Returns a label as numbers `[n]`, NaN where it is missing."""
    texts = values.combine_chunks()
    if label.numbers:
        return np.asarray([label.numbers.get(text, np.nan) for text in texts.cast(pa.string()).to_pylist()], float)
    if pa.types.is_boolean(texts.type):
        texts = texts.cast(pa.int8())
    if pa.types.is_null(texts.type):
        return np.full(len(texts), np.nan)
    return pc.fill_null(texts.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)


def shown_share(share: float) -> str:
    """Returns a share as people read it: `6 %`, `.02 %`."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.2g} %".replace("0.", ".")
