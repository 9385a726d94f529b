"""What differs between two configs, field by field."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_NAMES = ("tower_name", "feature_name", "group_name", "input_name", "name")
_LONGEST = 60


@dataclass(frozen=True)
class Change:
    """A field that differs.

    Attributes:
        path: such as `model_config.dbmtl.task_towers[ctr].weight`; entries go by their names if they have some.
        old: its value, as a config has it; empty where it was not set.
        new: the same of the other config.
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.old) or 'not set'} -> {_short(self.new) or 'not set'}"


def changes(old: Message, new: Message, path: str = "") -> Iterator[Change]:
    """Yields the fields that differ, in the order of the config language.

    Entries of maps are matched by their keys, those of lists by their names where all have one; others by their places.
    What is there on one side alone is one change.

    Args:
        old: the one before.
        new: another one of the same type.
        path: in front of the names of fields.
    """
    for field in sorted(old.DESCRIPTOR.fields, key=lambda field: field.number):
        here = f"{path}.{field.name}" if path else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            # A map has no order.
            before, after = (dict(sorted(getattr(one, field.name).items())) for one in (old, new))
            yield from _of_entries(before, after, here)
        elif field.is_repeated:
            yield from _of_lists(list(getattr(old, field.name)), list(getattr(new, field.name)), field, here)
        elif field.message_type is not None:
            had, has = old.HasField(field.name), new.HasField(field.name)
            before, after = getattr(old, field.name), getattr(new, field.name)
            if had and has:
                yield from changes(before, after, here)
            elif had != has:
                yield Change(here, _message_text(before) if had else "", _message_text(after) if has else "")
        elif getattr(old, field.name) != getattr(new, field.name):
            yield Change(here, _value_text(old, field), _value_text(new, field))


def _of_lists(old: list, new: list, field: FieldDescriptor, path: str) -> Iterator[Change]:
    if field.message_type is None:
        if old != new:
            yield Change(path, _list_text(old), _list_text(new))
        return
    before, after = _by_name(old), _by_name(new)
    if before is None or after is None:
        before, after = dict(enumerate(old)), dict(enumerate(new))
    yield from _of_entries(before, after, path)


def _of_entries(before: Mapping[Any, Message], after: Mapping[Any, Message], path: str) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        here = f"{path}[{name}]"
        if name in before and name in after:
            yield from changes(before[name], after[name], here)
        elif name in before:
            yield Change(here, _message_text(before[name]), "")
        else:
            yield Change(here, "", _message_text(after[name]))


def _by_name(entries: Sequence[Message]) -> dict | None:
    """Returns entries by their names, None where one has none or two have the same."""
    named = {_name(entry): entry for entry in entries}
    return None if "" in named or len(named) < len(entries) else named


def _name(entry: Message) -> str:
    fields = entry.DESCRIPTOR.fields_by_name
    for name in _NAMES:
        if name in fields and getattr(entry, name):
            return str(getattr(entry, name))
    inputs = list(entry.input_names) if "input_names" in fields else []
    return inputs[0] if inputs else ""


def _value_text(message: Message, field: FieldDescriptor) -> str:
    value = getattr(message, field.name)
    if field.has_presence and not message.HasField(field.name):
        return f"not set ({_scalar_text(value, field)})"
    return _scalar_text(value, field)


def _scalar_text(value: object, field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _list_text(values: Sequence[object]) -> str:
    shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return f"[{', '.join(shown)}]"


def _message_text(message: Message) -> str:
    return f"{{ {text_format.MessageToString(message, as_one_line=True, as_utf8=True)} }}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4].rstrip()} ..."
