r"""Applies `--set path=value` to a message that was read from a config.

    train_config.num_steps=10                          a scalar
    model_config.dbmtl.task_towers[0].weight=2         a field of an item of a list
    data_config.label_fields=[click, buy]              replaces the list
    data_config.label_fields[2]=buy                    replaces item 2, or appends it to a list of two
    train_config.optimizer_config[0]={adam_optimizer {learning_rate {constant_learning_rate {}}}}
    model_config.mmoe.num_expert=4                     sets the model to mmoe when it was another one
    feature_configs[:].embedding_dim=8                 of several items, see `edit_paths`

Texts may stand without quotes: `model_dir=runs/1`. Messages on the way are made when they are missing. A value
in braces replaces the message, it does not merge into it. What is wrong with a field in the text is of no account once
it, or a message around it, is set anew; a field that is not supported may be set to what asks for nothing: its default,
an empty list, or nothing at all where it is a message.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from google.protobuf import message_factory, text_encoding
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.cursor import Cursor
from easymtl.config.edit_paths import PathError, written_paths
from easymtl.config.parser import Parser
from easymtl.config.problems import SET_POSITION, Findings, Places, Problem, join, oneof_path
from easymtl.config.scalars import ScalarError, read_scalar
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2

_STEP = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\[(?P<index>\d{1,9})\])?")
_ITEM = re.compile(r"""\s*(?P<item>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,"'\[\]]*?)\s*(?:,|$)""")


class OverrideError(ValueError):
    """What is wrong with one `--set`."""


class _Step(NamedTuple):
    name: str
    place: int | None

    def __str__(self) -> str:
        return self.name if self.place is None else f"{self.name}[{self.place}]"


def apply_overrides(message: Message, overrides: Sequence[str], findings: Findings) -> None:
    """Applies each `path=value` in order; what is wrong is added to `findings.problems`."""
    for override in overrides:
        try:
            path, value = _parts(override)
            for written in written_paths(message, path):
                _apply(message, written, value, findings)
        except (OverrideError, PathError) as error:
            findings.problems.append(Problem(getattr(override, "flag", "--set"), str(error), SET_POSITION))


def _parts(override: str) -> tuple[str, str]:
    """Returns path and value: what stands before the first "=" that is in no brackets, and behind it."""
    depth = 0
    for place, sign in enumerate(override):
        depth += (sign == "[") - (sign == "]")
        if sign == "=" and depth <= 0:
            path, value = override[:place].strip(), override[place + 1 :]
            if path:
                return path, value
            break
    raise OverrideError(f'"{override}" is no path=value, for example train_config.num_steps=1000.')


def _apply(message: Message, path: str, value: str, findings: Findings) -> None:
    steps = _steps(path)
    walked = ""
    replaced: list[str] = []
    for step in steps[:-1]:
        descriptor = _descriptor(message, step, walked)
        replaced += _siblings(descriptor, walked)
        if descriptor.message_type is None:
            name = join(walked, str(step))
            raise OverrideError(f"{name} holds {_kind(descriptor)}, no fields. Write {name}=...")
        message = _enter(message, descriptor, step, walked)
        walked = join(walked, str(step))
    descriptor = _descriptor(message, steps[-1], walked, value)
    path = join(walked, str(steps[-1]))
    if _assign(message, descriptor, steps[-1], path, value, findings):
        for gone in (*replaced, *_siblings(descriptor, walked), *_choice(descriptor, path)):
            findings.settle(gone)
        findings.places.positions[path] = SET_POSITION


def _siblings(descriptor: FieldDescriptor, walked: str) -> list[str]:
    """Returns the paths of the other members of a oneof, which go when one of them is set."""
    oneof = descriptor.containing_oneof
    return [join(walked, member.name) for member in oneof.fields if member is not descriptor] if oneof else []


def _choice(descriptor: FieldDescriptor, path: str) -> list[str]:
    oneof = descriptor.containing_oneof
    return [oneof_path(path, oneof.name)] if oneof else []


def _steps(path: str) -> list[_Step]:
    steps = []
    for text in path.split("."):
        match = _STEP.fullmatch(text)
        if match is None:
            raise OverrideError(f'"{text}" in the path {path} is no field name such as task_towers[0].')
        steps.append(_Step(match["name"], None if match["index"] is None else int(match["index"])))
    return steps


def _descriptor(message: Message, step: _Step, walked: str, value: str | None = None) -> FieldDescriptor:
    """Returns the field that a step names; `value` is what it is set to, if it is the last step."""
    fields = message.DESCRIPTOR.fields_by_name
    if step.name not in fields:
        known = f" Its fields: {quoted(sorted(fields))}." if fields else " It has none."
        hint = did_you_mean(step.name, fields) or known
        raise OverrideError(f'{walked or "the config"} has no field "{step.name}".{hint}')
    descriptor = fields[step.name]
    path = join(walked, step.name)
    options = descriptor.GetOptions().Extensions
    for option, words in ((options_pb2.refused, "is not supported."), (options_pb2.later, "is not supported yet.")):
        if options[option] and (value is None or step.place is not None or not _asks_for_nothing(descriptor, value)):
            raise OverrideError(f"{path} {words} {options[option]}")
    if step.place is not None and not descriptor.is_repeated:
        raise OverrideError(f"{path} is no list; leave out [{step.place}].")
    return descriptor


def _asks_for_nothing(descriptor: FieldDescriptor, value: str) -> bool:
    """Returns whether a field of this value is as good as one that is not there."""
    if descriptor.is_repeated:
        return value.strip() in ("", "[]")
    if descriptor.message_type is not None:
        return not value.strip()
    tokens = Cursor(_as_text_format(descriptor, value, False)).take_scalar()
    try:
        return bool(tokens) and read_scalar(descriptor, tokens) == descriptor.default_value
    except ScalarError:
        return False


def _enter(message: Message, descriptor: FieldDescriptor, step: _Step, walked: str) -> Message:
    """Returns the message a step leads to, made when it is missing."""
    path = join(walked, step.name)
    inner = getattr(message, descriptor.name)
    if not descriptor.is_repeated:
        inner.SetInParent()
        return inner
    if descriptor.message_type.GetOptions().map_entry:
        raise OverrideError(f"{path} is a map: set it as a whole, {path}={{key: ... value: ...}}.")
    if step.place is None:
        raise OverrideError(f"{path} is a list of {len(inner)}: say which, for example {path}[0].")
    _check_index(len(inner), step, path)
    return inner.add() if step.place == len(inner) else inner[step.place]


def _check_index(length: int, step: _Step, path: str) -> None:
    if step.place is not None and step.place > length:
        known = f"{path}[0] to {path}[{length - 1}] exist" if length else "the list is empty"
        raise OverrideError(f"{path}[{step.place}] is out of range: {known}, {path}[{length}] appends.")


def _assign(
    message: Message, descriptor: FieldDescriptor, step: _Step, path: str, value: str, findings: Findings
) -> bool:
    """Reads the value into a message of its own, puts it into place when it is right, and returns whether it is."""
    options = descriptor.GetOptions().Extensions
    if options[options_pb2.refused] or options[options_pb2.later]:
        message.ClearField(descriptor.name)
        findings.settle(path)
        return True
    text = _as_text_format(descriptor, value, step.place is not None)
    fresh = message_factory.GetMessageClass(message.DESCRIPTOR)()
    scratch = Findings(Places("--set"))
    list_path = path if step.place is None else path.rpartition("[")[0]
    Parser(text, scratch, SET_POSITION).parse_value(fresh, descriptor, list_path)
    findings.problems.extend(_at_item(problem, list_path, path) for problem in scratch.problems)
    if scratch.problems:
        return False
    if step.place is None:
        _replace(message, descriptor, fresh)
    else:
        _replace_item(message, descriptor, step, list_path, fresh)
    findings.settle(path)
    findings.remarks += [(name, _at_item(remark, list_path, path)) for name, remark in scratch.remarks]
    return True


def _at_item(problem: Problem, list_path: str, path: str) -> Problem:
    """Returns what was found in the first item of a list of its own as that of the item that is set."""
    first = f"{list_path}[0]"
    if path == list_path or not problem.settled_by.startswith(first):
        return problem
    return replace(problem, settled_by=path + problem.settled_by.removeprefix(first))


def _replace(message: Message, descriptor: FieldDescriptor, fresh: Message) -> None:
    message.ClearField(descriptor.name)
    message.MergeFrom(fresh)


def _replace_item(message: Message, descriptor: FieldDescriptor, step: _Step, path: str, fresh: Message) -> None:
    items = getattr(message, descriptor.name)
    new = getattr(fresh, descriptor.name)
    _check_index(len(items), step, path)
    if len(new) != 1:
        raise OverrideError(f"{path}[{step.place}] takes one value, not a list of {len(new)}.")
    if step.place == len(items):
        message.MergeFrom(fresh)
    elif descriptor.message_type is not None:
        items[step.place].CopyFrom(new[0])
    else:
        items[step.place] = new[0]


def _as_text_format(descriptor: FieldDescriptor, value: str, is_item: bool) -> str:
    """Returns a value of the command line as the text format writes it: quotes round texts, braces round fields."""
    value = value.strip()
    is_list = descriptor.is_repeated and not is_item and value.startswith("[") and value.endswith("]")
    if descriptor.message_type is not None:
        return value if value.startswith(("{", "<", "[")) else f"{{{value}}}"
    if descriptor.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return value
    if not is_list:
        return _quote(value)
    return f"[{', '.join(_quote(item) for item in _items(value[1:-1]))}]"


def _items(text: str) -> list[str]:
    found, start = [], 0
    text = text.strip().removesuffix(",")
    while text and start <= len(text):
        match = _ITEM.match(text, start)
        if match is None:
            raise OverrideError(f"[{text}] is no list of texts such as [a, b] or ['a', \"b, c\"].")
        found.append(match["item"])
        if match.end() == len(text):
            break
        start = match.end()
    return found


def _quote(value: str) -> str:
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value if is_quoted else f'"{text_encoding.CEscape(value, True)}"'


def _kind(descriptor: FieldDescriptor) -> str:
    return "a list of values" if descriptor.is_repeated else "a value"
