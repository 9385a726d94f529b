"""Which fields, layers and functions of the config language no sample config uses.

    python -m benchmarks.config_coverage

Walks the descriptors of a config, and all sample configs. A field counts once a config gives it a value that is not its
default, as the default would prove nothing. What the protos mark as ignored, refused or still to come does not count.
The exit code is 1 when anything is left, and `make zoo`, which runs every sample config, says it too. TensorFlow is not
imported.
"""

import ast
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import NamedTuple

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, EnumValueDescriptor, FieldDescriptor
from google.protobuf.message import Message

from benchmarks.sample_data import EXTENSION, ROOT, sample_paths
from easymtl.config.expressions import BLOCKS, COMPARISONS, SCORES, Tree, Vocabulary, parse_expression, parse_lambda
from easymtl.config.expressions.tree import Binary, Call, Key, Name, children
from easymtl.config.reference import reachable, status
from easymtl.config.struct_params import read_struct
from easymtl.protos import options_pb2
from easymtl.protos.backbone_pb2 import KerasLayer
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import open_terminal, print_line

_TABLE_OF_LAYERS = ROOT / "easymtl" / "layers" / "named" / "__init__.py"
_PACKAGE = KerasLayer.DESCRIPTOR.file.package
_FUNCTIONS = {
    "Lambda.expression": 1,
    "Block.extra_input_fn": 1,
    "Input.input_fn": 1,
    "Input.package_input_fn": 1,
    "RepeatLayer.input_fn": 2,
}
"""Fields that hold functions of block graphs, and how many values each takes."""
_STEPS = (FeatureConfig.IdFeature, FeatureConfig.RawFeature)
"""What the steps of a SequenceFeature can be."""

_OTHER_POWER = "^"
"""Of two ways to write a power one stands in the tree, `**`."""

FIELDS, VALUES, LAYERS, FUNCTIONS = "fields", "values", "layers", "functions and operators"


class Item(NamedTuple):
    """Something that a config can use: one of `FIELDS`, `VALUES`, `LAYERS`, `FUNCTIONS`, and its name."""

    kind: str
    name: str


def wanted() -> list[Item]:
    """Returns all that a config can use, in the order in which a reader of docs/config.md meets it."""
    messages = [message for message, standing in reachable().items() if standing == "implemented"]
    layers = layer_messages()
    # The parameters of some layers are messages that no field leads to: keys and values stand for them.
    messages += [message for message in dict.fromkeys(layers.values()) if message not in messages]
    fields = [field for message in messages for field in message.fields if _is_built(field)]
    items = [Item(FIELDS, _name(field)) for field in fields]
    items += [Item(VALUES, name) for field in fields for name in _allowed(field)]
    items += [Item(LAYERS, name) for name in layers]
    items += [Item(FUNCTIONS, name) for name in (*_all_of(BLOCKS, "blocks"), *_all_of(COMPARISONS, "ExprFeature"))]
    items += [Item(FUNCTIONS, name) for name in _all_of(SCORES, "final_score") if not name.startswith(_OTHER_POWER)]
    return list(dict.fromkeys(items))


def used(message: Message) -> Iterator[Item]:
    """Yields what a message, and all that is in it, uses; an item may come more than once."""
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        if field.message_type is None:
            yield from _used_by_scalar(field, values)
            continue
        yield Item(FIELDS, _name(field))
        for inner in values:
            if field.message_type.file.package == _PACKAGE:
                yield from used(inner)
    if isinstance(message, KerasLayer):
        yield Item(LAYERS, message.class_name)
        yield from _used_by_struct(message)


def uncovered(pipelines: Iterable[Message]) -> list[Item]:
    """Returns what none of some configs uses."""
    seen = {item for pipeline in pipelines for item in used(pipeline)}
    return [item for item in wanted() if item not in seen]


@cache
def layer_messages() -> dict[str, Descriptor]:
    """Returns the type of the parameters of each layer.

    The table is read as text: importing it would import TensorFlow.
    """
    for node in ast.walk(ast.parse(_TABLE_OF_LAYERS.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict) and _id(node.target) == "_LAYERS":
            rows = zip(node.value.keys, node.value.values)
            return {ast.literal_eval(key): _message(row) for key, row in rows if key is not None}
    raise AssertionError(f"{_TABLE_OF_LAYERS} has no _LAYERS")


def _id(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _message(row: ast.expr) -> Descriptor:
    """Returns the type in `Row(Layer, module_pb2.Type)`."""
    assert isinstance(row, ast.Call) and isinstance(row.args[1], ast.Attribute)
    module = import_module(f"easymtl.protos.{_id(row.args[1].value)}")
    return getattr(module, row.args[1].attr).DESCRIPTOR


def _is_built(field: FieldDescriptor) -> bool:
    return status(field).standing == "implemented"


def _name(item: FieldDescriptor | EnumValueDescriptor) -> str:
    return item.full_name.removeprefix(f"{_PACKAGE}.")


def _value_name(field: FieldDescriptor, value: str) -> str:
    return f"{_name(field)}: {value}"


def _allowed(field: FieldDescriptor) -> list[str]:
    """Returns the values that a field can take, if they can be counted; of an enum by one name for all fields."""
    if field.enum_type is not None:
        if field.name == "sub_feature_type":
            return [_value_name(field, FeatureConfig.FeatureType.Name(number)) for number in _STEPS]
        return [_enum_name(value) for value in field.enum_type.values if status(value).standing == "implemented"]
    return [_value_name(field, f'"{choice}"') for choice in _choices(field)]


def _enum_name(value: EnumValueDescriptor) -> str:
    return f"{value.type.full_name.removeprefix(f'{_PACKAGE}.')}: {value.name}"


def _choices(field: FieldDescriptor) -> list[str]:
    return field.GetOptions().Extensions[options_pb2.choices].split()


def _used_by_scalar(field: FieldDescriptor, values: Sequence) -> Iterator[Item]:
    if any(_tells(field, value) for value in values):
        yield Item(FIELDS, _name(field))
    for value in values:
        if field.enum_type is not None:
            option = field.enum_type.values_by_number[value]
            is_step = field.name == "sub_feature_type"
            yield Item(VALUES, _value_name(field, option.name) if is_step else _enum_name(option))
        elif _choices(field):
            yield Item(VALUES, _value_name(field, f'"{value}"'))
        elif number := _FUNCTIONS.get(_name(field)):
            yield from _used_by_tree(parse_lambda(value, number).body, BLOCKS, "blocks")
        elif _name(field) == "FeatureConfig.expression":
            yield from _used_by_tree(parse_expression(value, COMPARISONS), COMPARISONS, "ExprFeature")
        elif _name(field) == "FinalScore.expression":
            yield from _used_by_tree(parse_expression(value, SCORES), SCORES, "final_score")


def _tells(field: FieldDescriptor, value: object) -> bool:
    """Returns whether a value is another one than the default, or the only one that there is."""
    if not field.has_default_value or _has_one_value(field):
        return True
    if isinstance(value, float):
        return not math.isclose(value, field.default_value, rel_tol=1e-6)
    return value != field.default_value


def _has_one_value(field: FieldDescriptor) -> bool:
    """Returns whether one value is all that a field can take: by its enum or its choices."""
    return len(_allowed(field) if field.enum_type is not None else _choices(field)) == 1


def _used_by_struct(layer: KerasLayer) -> Iterator[Item]:
    """Yields the parameters that a layer is given as keys and values."""
    descriptor = layer_messages().get(layer.class_name)
    if descriptor is not None and layer.WhichOneof("params") == "st_params":
        module = import_module(descriptor.file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        parameters = getattr(module, descriptor.name)()
        read_struct(layer.st_params, parameters)
        yield from used(parameters)


def _used_by_tree(tree: Tree, vocabulary: Vocabulary, where: str) -> Iterator[Item]:
    waiting: list[Key] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call):
            yield Item(FUNCTIONS, f"{node.function} in {where}")
        elif isinstance(node, Binary):
            yield Item(FUNCTIONS, f"{node.operator} in {where}")
        elif isinstance(node, Name) and node.name in vocabulary.constants:
            yield Item(FUNCTIONS, f"{node.name} in {where}")
        waiting += children(node)


def _all_of(vocabulary: Vocabulary, where: str) -> list[str]:
    return [f"{name} in {where}" for name in (*vocabulary.functions, *vocabulary.operators, *vocabulary.constants)]


def read_samples() -> list[Pipeline]:
    """Returns all sample configs, as they are written; that of a package, which has to be installed, among them."""
    paths = [*sample_paths(), *sorted(EXTENSION.glob("*.config"))]
    return [text_format.Parse(path.read_text(encoding="utf-8"), Pipeline()) for path in paths]


def print_report(pipelines: Sequence[Pipeline]) -> int:
    """Prints how much some configs use together, and names what they do not; returns the exit code."""
    terminal = open_terminal()
    items, missing = wanted(), uncovered(pipelines)
    rows = []
    for kind in (FIELDS, VALUES, LAYERS, FUNCTIONS):
        total = sum(item.kind == kind for item in items)
        num_missing = sum(item.kind == kind for item in missing)
        rows.append([kind, f"{total:,}", f"{total - num_missing:,}", f"{num_missing:,}"])
    print_line(terminal, f"What {len(pipelines)} sample configs use of what a config can say:")
    terminal.print(make_table(["", "there are", "used", "unused"], rows, num_left=1))
    for item in missing:
        print_line(terminal, f"unused: {item.name}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(print_report(read_samples()))
