"""Rules that follow from the options of a field alone: range, choices, finite numbers."""

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.problems import join
from easymtl.config.rules.review import Review, walk
from easymtl.errors import did_you_mean, quoted
from easymtl.extensions.interval import in_range
from easymtl.protos import options_pb2

_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def check_values(review: Review) -> None:
    """Every set field lies in its range, is one of its choices, and is finite."""
    for path, text in value_faults(review.pipeline):
        review.problem(path, text)


def value_faults(message: Message) -> Iterator[tuple[str, str]]:
    """Yields path and sentence for each set field of a message, or of one below it, that its options do not allow."""
    for path, inner in walk(message):
        for descriptor, value in inner.ListFields():
            if descriptor.message_type is None:
                yield from _field_faults(descriptor, join(path, descriptor.name), value)


def _field_faults(descriptor: FieldDescriptor, path: str, value: Any) -> Iterator[tuple[str, str]]:
    options = descriptor.GetOptions().Extensions
    interval, choices = options[options_pb2.range], options[options_pb2.choices].split()
    if options[options_pb2.ignored] or not (interval or choices or descriptor.cpp_type in _FLOATS):
        return
    items = [(f"{path}[{index}]", item) for index, item in enumerate(value)] if descriptor.is_repeated else None
    for item_path, item in items or [(path, value)]:
        if interval and not in_range(_as_written(descriptor, item), interval):
            yield item_path, f"is {_as_written(descriptor, item):g}, outside of {interval}."
        elif descriptor.cpp_type in _FLOATS and not math.isfinite(item):
            yield item_path, f"is {item}, which is no finite number."
        if choices and item not in choices:
            yield item_path, f'"{item}" is none of {quoted(choices)}.{did_you_mean(item, choices)}'


def _as_written(descriptor: FieldDescriptor, number: float) -> float:
    """Returns a 32-bit float as the decimal that was written: 0.1, not 0.100000001."""
    is_float32 = descriptor.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
    return float(f"{number:.7g}") if is_float32 else number
