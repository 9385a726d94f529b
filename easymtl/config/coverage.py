"""Writes `docs/easyrec_fields.md`: what becomes of each field of EasyRec's config, from the options of the protos.

python -m easymtl.config.coverage --out docs/easyrec_fields.md
python -m easymtl.config.coverage --out docs/easyrec_fields.md --check
"""

import sys
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from easymtl.config.documents import publish, table_row
from easymtl.config.reference import STANDINGS, reachable, status
from easymtl.protos.pipeline_pb2 import Pipeline

FIRST_OWN_NUMBER = 100
"""In messages of the dialect, fields from this number on are our own."""

_PREFIX = f"{Pipeline.DESCRIPTOR.file.package}."
_INTRODUCTION = """\
# EasyRec's config fields here

<!-- Written by `python -m easymtl.config.coverage --out docs/easyrec_fields.md`: change protos/*.proto instead. -->

What becomes of each field that a multi-task config of EasyRec can hold. [easyrec.md](easyrec.md) says where the same
field does something else, [config.md](config.md) what each field means. A field stands here as the message and its
name: `TrainConfig.num_steps` is written `train_config { num_steps: 1000 }`.
"""
_EXPLANATIONS = {
    "implemented": "These have their effect.",
    "later": "Still to come. A config that sets one is refused, with the sentence on the right.",
    "ignored": "Accepted without effect. A run says so once, with the sentence on the right.",
    "refused": "Not supported. A config that sets one is refused, with the sentence on the right.",
}
_TITLES = {"later": "Until then", "ignored": "Why", "refused": "Instead"}


class Entry(NamedTuple):
    """A field or a value of an enum: its name, the message or enum that it is in, how it stands, and the sentence."""

    owner: str
    name: str
    standing: str
    sentence: str
    is_own: bool


def entries() -> list[Entry]:
    """Returns every field of a config, in the order in which a reader meets them.

    A field inside of a message that only refused fields lead to is refused with them, and has no sentence of its own.
    """
    theirs = dialect()
    return [
        _field(field, standing, field.number >= FIRST_OWN_NUMBER or message not in theirs)
        for message, standing in reachable().items()
        for field in message.fields
    ]


def values() -> list[Entry]:
    """Returns every value of the dialect's enums, of fields that are not refused or still to come."""
    messages = [message for message, standing in reachable().items() if standing == "implemented"]
    fields = [field for message in messages for field in message.fields if field.number < FIRST_OWN_NUMBER]
    enums = dict.fromkeys(field.enum_type for field in fields if field.enum_type and status(field).sentence == "")
    return [Entry(_name(enum), value.name, *status(value), False) for enum in enums for value in enum.values]


def dialect() -> set[Descriptor]:
    """Returns the messages of EasyRec: those that a path of its fields leads to."""
    found = [Pipeline.DESCRIPTOR]
    for message in found:
        inner = [field.message_type for field in message.fields if field.number < FIRST_OWN_NUMBER]
        found += [item for item in inner if item is not None and item not in found]
    return set(found)


def coverage() -> str:
    """Returns the text of `docs/easyrec_fields.md`."""
    fields = entries()
    theirs = [field for field in fields if not field.is_own]
    counts = {standing: sum(field.standing == standing for field in theirs) for standing in STANDINGS}
    parts = [_INTRODUCTION, _row_of_counts(counts)]
    for standing in STANDINGS:
        parts.append(f"\n## {standing.capitalize()}: {counts[standing]}\n\n{_EXPLANATIONS[standing]}\n\n")
        chosen = [field for field in theirs if field.standing == standing]
        if standing == "implemented":
            parts.append(_by_owner(chosen, "Message", "Fields"))
            parts.append(f"\nOf the enums:\n\n{_by_owner(_of(values(), standing), 'Enum', 'Values')}")
        else:
            parts.append(_with_sentences([*chosen, *_of(values(), standing)], _TITLES[standing]))
    own = _of([field for field in fields if field.is_own], "implemented")
    parts.append(f"\n## Our own\n\nFields that EasyRec does not have.\n\n{_by_owner(own, 'Message', 'Fields')}")
    return "".join(parts)


def _field(field: FieldDescriptor, standing: str, is_own: bool) -> Entry:
    own, sentence = status(field)
    worst = max(own, standing, key=STANDINGS.index)
    return Entry(_name(field.containing_type), field.name, worst, sentence if worst == own else "", is_own)


def _name(item: Descriptor | EnumDescriptor) -> str:
    return item.full_name.removeprefix(_PREFIX)


def _of(found: list[Entry], standing: str) -> list[Entry]:
    return [entry for entry in found if entry.standing == standing]


def _row_of_counts(counts: dict[str, int]) -> str:
    lines = [table_row(list(counts)), "|---" * len(counts) + "|", table_row([str(count) for count in counts.values()])]
    return "\n" + "\n".join(lines) + "\n"


def _by_owner(found: list[Entry], owner: str, names: str) -> str:
    """Returns a table with a row for each message."""
    lines = [table_row([owner, names]), "|---|---|"]
    for name in dict.fromkeys(entry.owner for entry in found):
        listed = ", ".join(f"`{entry.name}`" for entry in found if entry.owner == name)
        lines.append(table_row([f"`{name}`", listed]))
    return "\n".join(lines) + "\n"


def _with_sentences(found: list[Entry], title: str) -> str:
    """Returns a table with a row for each sentence, and the messages that are only reached by such fields."""
    lines = [table_row(["Field or value", title]), "|---|---|"]
    for sentence in dict.fromkeys(entry.sentence for entry in found if entry.sentence):
        listed = ", ".join(f"`{entry.owner}.{entry.name}`" for entry in found if entry.sentence == sentence)
        lines.append(table_row([listed, sentence]))
    inside = dict.fromkeys(f"`{entry.owner}`" for entry in found if not entry.sentence)
    rest = f"\nWith them, all fields of {', '.join(inside)}.\n" if inside else ""
    return "\n".join(lines) + "\n" + rest


def main(arguments: list[str] | None = None) -> int:
    """Writes the document, or with `--check` tells whether it is current; returns the exit code."""
    return publish("easymtl.config.coverage", coverage, arguments)


if __name__ == "__main__":
    sys.exit(main())
