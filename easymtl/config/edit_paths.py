"""Paths that stand for several fields, as EasyRec's `--edit_config_json` writes them.

feature_configs[:].embedding_dim                    of all items of a list
feature_configs[2:5].embedding_dim                  of items 2 to 4
feature_configs[input_names[0]=user].embedding_dim  of the items in which a field has a value; also <, <=, >, >=
"""

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.errors import did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline

_RANGE = re.compile(r"\s*(\d{0,9})\s*:\s*(\d{0,9})\s*")
_CONDITION = re.compile(r"(?P<path>[^<>=]+?)\s*(?P<sign><=|>=|=|<|>)\s*(?P<value>.*)", re.DOTALL)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
# The two places of features; a config has one of them.
_FEATURES = ("feature_configs", "feature_config.features")


class PathError(ValueError):
    """What is wrong with a path."""


def written_paths(message: Message, path: str) -> list[str]:
    """Returns the paths, with plain indexes, of the fields that a path stands for; the path itself if it is plain.

    Raises:
        PathError: it stands for nothing.
    """
    path = _of_features(message, path)
    steps = split_path(path)
    if not any(_selector(step)[1] for step in steps):
        return [path]
    found = [("", message)]
    for step in steps:
        found = [
            (f"{walked}.{name}".lstrip("."), inner) for walked, m in found for name, inner in _step(m, step, walked)
        ]
    return [walked for walked, _ in found]


def split_path(path: str) -> list[str]:
    """Splits a path at the dots that stand in no brackets."""
    steps, depth = [""], 0
    for sign in path:
        depth += (sign == "[") - (sign == "]")
        if sign == "." and depth == 0:
            steps.append("")
        else:
            steps[-1] += sign
    return steps


def field_at(message: Message, path: str) -> tuple[FieldDescriptor, Any] | None:
    """Returns the field that a path with plain indexes leads to, and its value.

    None where it leads nowhere: to an item that a list does not have, or by a member of a oneof that is not set.
    """
    value: Any = message
    descriptor = None
    for step in split_path(path):
        name, _, index = step.partition("[")
        if not isinstance(value, Message) or name not in value.DESCRIPTOR.fields_by_name:
            return None
        descriptor = value.DESCRIPTOR.fields_by_name[name]
        if descriptor.containing_oneof and not value.HasField(name):
            return None
        value = getattr(value, name)
        if index:
            number = int(index.removesuffix("]"))
            if number >= len(value):
                return None
            value = value[number]
    return (descriptor, value) if descriptor is not None else None


def _of_features(message: Message, path: str) -> str:
    """Returns the path in the list that the config has its features in, for an item of the one that it leaves empty."""
    if isinstance(message, Pipeline):
        lists = message.feature_configs, message.feature_config.features
        for here, there, is_other in ((0, 1, lists[1] and not lists[0]), (1, 0, lists[0] and not lists[1])):
            if is_other and path.startswith(f"{_FEATURES[here]}["):
                return _FEATURES[there] + path.removeprefix(_FEATURES[here])
    return path


def _selector(step: str) -> tuple[str, str]:
    """Returns the name in a step, and what chooses items of it other than an index."""
    name, bracket, rest = step.partition("[")
    inner = rest[:-1] if rest.endswith("]") else ""
    return name, inner if bracket and not inner.strip().isdigit() else ""


def _step(message: Any, step: str, walked: str) -> Iterator[tuple[str, Any]]:
    """Yields the steps, with plain indexes, that a step stands for in a message, and what each leads to."""
    name, selector = _selector(step)
    if not isinstance(message, Message) or name.partition("[")[0] not in message.DESCRIPTOR.fields_by_name:
        known = message.DESCRIPTOR.fields_by_name if isinstance(message, Message) else ()
        raise PathError(f'{walked or "the config"} has no field "{name}".{did_you_mean(name, known)}')
    if not selector:
        yield step, _read(message, step)
        return
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    if not descriptor.is_repeated:
        raise PathError(f"{walked}.{name} is no list; leave out [{selector}].".lstrip("."))
    items = getattr(message, name)
    for index in _chosen(items, descriptor, selector, f"{walked}.{name}".lstrip(".")):
        yield f"{name}[{index}]", items[index]


def _read(message: Any, path: str) -> Any:
    """Returns what a path leads to; None where it leads nowhere."""
    for step in split_path(path):
        name, _, index = step.partition("[")
        index = index.removesuffix("]")
        if not isinstance(message, Message) or name not in message.DESCRIPTOR.fields_by_name:
            return None
        message = getattr(message, name)
        if index:
            if not index.isdigit() or not hasattr(message, "__len__") or int(index) >= len(message):
                return None
            message = message[int(index)]
    return message


def _chosen(items: Any, descriptor: FieldDescriptor, selector: str, path: str) -> list[int]:
    bounds = _RANGE.fullmatch(selector)
    if bounds:
        chosen = range(len(items))[slice(*(int(bound) if bound else None for bound in bounds.groups()))]
        if not chosen:
            raise PathError(f"{path}[{selector}] stands for nothing: the list has {len(items)} items.")
        return list(chosen)
    condition = _CONDITION.fullmatch(selector)
    if condition is None or descriptor.message_type is None:
        raise PathError(f"{path}[{selector}] is no index such as [0], no range such as [0:2], and no condition.")
    found = [_value(item, condition["path"].strip()) for item in items]
    if found and all(value is None for value in found):
        raise PathError(f'{path}[{selector}]: no item has the field "{condition["path"].strip()}".')
    holds = _SIGNS[condition["sign"]]
    chosen_items = [
        index for index, value in enumerate(found) if value is not None and holds(value, _like(value, condition, path))
    ]
    if not chosen_items:
        raise PathError(
            f"{path}[{selector}] stands for nothing: the items have {quoted(str(value) for value in found)}."
        )
    return chosen_items


def _value(item: Message, path: str) -> Any:
    """Returns the value at a path in an item, an enum by its name; None where there is no such value."""
    parent, _, name = path.rpartition(".")
    message = _read(item, parent) if parent else item
    value = _read(item, path)
    descriptor = message.DESCRIPTOR.fields_by_name.get(name) if isinstance(message, Message) else None
    if descriptor is not None and descriptor.enum_type is not None and isinstance(value, int):
        return descriptor.enum_type.values_by_number[value].name
    return value if isinstance(value, (str, int, float)) else None


def _like(value: Any, condition: re.Match[str], path: str) -> Any:
    """Returns the value of a condition as one of the kind of a field's."""
    text = condition["value"].strip()
    if isinstance(value, str):
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    if isinstance(value, bool):
        if text.lower() not in _TRUTHS:
            raise PathError(f'{path}[{condition[0]}]: "{text}" is neither true nor false.')
        return _TRUTHS[text.lower()]
    try:
        return float(text)
    except ValueError:
        raise PathError(f'{path}[{condition[0]}]: "{text}" is no number.') from None
