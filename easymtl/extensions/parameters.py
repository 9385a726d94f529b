"""Parameters that a package declares, and the message that they are read into."""

import hashlib
import keyword
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from easymtl.extensions.interval import in_range, is_interval
from easymtl.protos import options_pb2
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.task_pb2 import TaskTower

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES = {
    bool: FieldDescriptorProto.TYPE_BOOL,
    int: FieldDescriptorProto.TYPE_INT64,
    float: FieldDescriptorProto.TYPE_DOUBLE,
    str: FieldDescriptorProto.TYPE_STRING,
    DNN: FieldDescriptorProto.TYPE_MESSAGE,
}
_LABELS = {False: FieldDescriptorProto.LABEL_OPTIONAL, True: FieldDescriptorProto.LABEL_REPEATED}
_OF_ARCHITECTURES = ("task_towers", "l2_regularization")


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()
"""The default of a parameter that a config has to give."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a part that a package brings.

    Attributes:
        name: lower-case letters, digits and `_`; `config.<name>` in the code of the package.
        kind: `int`, `float`, `bool`, `str`, `DNN` (layers of a network), or `list[...]` of one of them.
        default: its value where a config gives none. Without a default a config has to give it; None lets the config
            leave it out, and `config.HasField(name)` tells. A list that may be left out has a default such as `()`.
        range: of a number, or of each number of a list, as an interval: `[0, 1)`, `(0, inf)`.
        choices: all that a text, or each text of a list, can be.
        doc: what it is, for the message that says that it is missing.
        keeps_weights: whether a trained model means the same with another value, as with a dropout rate. A checkpoint
            refuses to be read with another value of any other parameter of an architecture or layer.

    Raises:
        ValueError: the declaration contradicts itself.
    """

    name: str
    kind: Any
    default: Any = REQUIRED
    range: str = ""
    choices: tuple[str, ...] = ()
    doc: str = ""
    keeps_weights: bool = False

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise ValueError(f'parameter "{self.name}" {fault}')

    @property
    def is_list(self) -> bool:
        """Whether it is a list of values."""
        return typing.get_origin(self.kind) is list

    @property
    def item(self) -> Any:
        """The kind of its value, or of each value of a list."""
        return (typing.get_args(self.kind) or (None,))[0] if self.is_list else self.kind

    @property
    def is_required(self) -> bool:
        """Whether a config has to give it."""
        return self.default is REQUIRED

    def _fault(self) -> str:
        if not _NAME.fullmatch(self.name) or keyword.iskeyword(self.name):
            return "needs a name of lower-case letters, digits and _ that is no word of Python"
        if self.item not in _TYPES:
            return f"has the kind {self.kind!r}; there are int, float, bool, str, DNN, and list[...] of them"
        if self.range and (self.item not in (int, float) or not is_interval(self.range)):
            return f'has the range "{self.range}"; a range is that of a number, such as "[0, 1)"'
        if self.choices and self.item is not str:
            return "has choices, which are those of a text"
        if isinstance(self.choices, str):
            return f'has the choices "{self.choices}"; they are a tuple of texts: ("{self.choices}",)'
        if any(not choice or choice.split() != [choice] for choice in self.choices):
            return f"has the choices {self.choices}, which must not hold blanks"
        return self._fault_of_default()

    def _fault_of_default(self) -> str:
        if self.default is REQUIRED or (self.default is None and not self.is_list):
            return ""
        if self.item is DNN and not (self.is_list and not self.default):
            return "is a network, which has no default: a config gives it, or default=None lets it be left out"
        if self.is_list and not isinstance(self.default, (list, tuple)):
            return f"is a list, and its default is {self.default!r}"
        wanted = (int, float) if self.item is float else (self.item,)
        for value in self.default if self.is_list else [self.default]:
            if not isinstance(value, wanted) or (isinstance(value, bool) and self.item is not bool):
                return f"has the default {value!r}, which is no {self.item.__name__}"
            if self.choices and value not in self.choices:
                return f"has the default {value!r}, which is none of its choices"
            if self.range and not in_range(value, self.range):
                return f"has the default {value!r}, which is outside of its range {self.range}"
        return ""


def message_type(parameters: Sequence[Parameter], is_architecture: bool = False) -> type[Message]:
    """Returns the type of a message with a field for each parameter; equal declarations have one type.

    Args:
        parameters: with names of their own.
        is_architecture: whether it has `task_towers` and `l2_regularization` too, as the message of an architecture.

    Raises:
        ValueError: a name is taken.
    """
    file = FileDescriptorProto(syntax="proto2")
    file.dependency.extend([DNN.DESCRIPTOR.file.name, TaskTower.DESCRIPTOR.file.name, options_pb2.DESCRIPTOR.name])
    message = file.message_type.add(name="ExtensionParameters")
    taken = set(_OF_ARCHITECTURES if is_architecture else ())
    for number, parameter in enumerate(parameters, 1):
        if parameter.name in taken:
            raise ValueError(f'parameter "{parameter.name}" has a name that is taken')
        taken.add(parameter.name)
        message.field.append(_field(parameter, number))
    if is_architecture:
        towers = message.field.add(name="task_towers", number=len(parameters) + 1, label=_LABELS[True])
        towers.type, towers.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{TaskTower.DESCRIPTOR.full_name}"
        strength = message.field.add(name="l2_regularization", number=len(parameters) + 2, label=_LABELS[False])
        strength.type = FieldDescriptorProto.TYPE_FLOAT
    digest = hashlib.blake2b(file.SerializeToString(deterministic=True), digest_size=16).hexdigest()
    file.package, file.name = f"easymtl.extensions.x{digest}", f"easymtl/extensions/{digest}.proto"
    pool, name = descriptor_pool.Default(), f"{file.package}.{message.name}"
    try:
        return GetMessageClass(pool.FindMessageTypeByName(name))
    except KeyError:
        pool.AddSerializedFile(file.SerializeToString(deterministic=True))
        return GetMessageClass(pool.FindMessageTypeByName(name))


def _field(parameter: Parameter, number: int) -> FieldDescriptorProto:
    field = FieldDescriptorProto(
        name=parameter.name, number=number, type=_TYPES[parameter.item], label=_LABELS[parameter.is_list]
    )
    if parameter.item is DNN:
        field.type_name = f".{DNN.DESCRIPTOR.full_name}"
    if parameter.range:
        field.options.Extensions[options_pb2.range] = parameter.range
    if parameter.choices:
        field.options.Extensions[options_pb2.choices] = " ".join(parameter.choices)
    if not parameter.is_list and parameter.default not in (REQUIRED, None):
        field.default_value = _default_text(parameter)
    return field


def _default_text(parameter: Parameter) -> str:
    if parameter.item is bool:
        return str(parameter.default).lower()
    return repr(float(parameter.default)) if parameter.item is float else str(parameter.default)
