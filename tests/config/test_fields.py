"""Every field of the dialect exists, is explained, and has an effect or a status that says why it has none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places
from easymtl.config.reference import STANDINGS, comments, reachable, status
from easymtl.protos import options_pb2
from easymtl.protos.pipeline_pb2 import Pipeline

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tests" / "data" / "config_fields.tsv"
RENAMED = {"EasyRecConfig": "Pipeline", "EasyRecModel": "ModelConfig", "BayesTaskTower": "TaskTower"}
SCALARS = {
    "bool": FieldDescriptor.TYPE_BOOL,
    "double": FieldDescriptor.TYPE_DOUBLE,
    "float": FieldDescriptor.TYPE_FLOAT,
    "int32": FieldDescriptor.TYPE_INT32,
    "int64": FieldDescriptor.TYPE_INT64,
    "string": FieldDescriptor.TYPE_STRING,
    "uint32": FieldDescriptor.TYPE_UINT32,
    "uint64": FieldDescriptor.TYPE_UINT64,
}
NUMBERS = {"bool", "double", "float", "int32", "int64", "uint32", "uint64"}
RANGE = re.compile(r"[\[(]\S+, \S+[\])]")


def rows(section: str) -> list[list[str]]:
    """The rows of the list of fields, or of the list of enums below it."""
    fields, enums = LIST.read_text(encoding="utf-8").split("# enums\n")
    lines = {"fields": fields.splitlines()[2:], "enums": enums.splitlines()}[section]
    return [line.split("\t") for line in lines]


def our_name(name: str) -> str:
    if name.startswith("protobuf."):
        return f"google.{name}"
    first, dot, rest = name.partition(".")
    return f"easymtl.{RENAMED.get(first, first)}{dot}{rest}"


def find_message(name: str) -> Descriptor:
    return Pipeline.DESCRIPTOR.file.pool.FindMessageTypeByName(our_name(name))


def type_of(field: FieldDescriptor) -> str | int:
    named = field.message_type or field.enum_type
    return named.full_name if named is not None else field.type


def kind_of(field: FieldDescriptor) -> str:
    if field.containing_oneof is not None:
        return f"oneof {field.containing_oneof.name}"
    return "repeated" if field.is_repeated else ""


def default_of(field: FieldDescriptor) -> object:
    if not field.has_default_value:
        return None
    return field.enum_type.values_by_number[field.default_value].name if field.enum_type else field.default_value


def listed_type(text: str) -> str | int:
    if "not multi-task" in text:
        return "easymtl.Unsupported"
    return SCALARS.get(text, our_name(text))


def listed_default(text: str, kind: str) -> object:
    if text == "":
        return None
    return ast.literal_eval(text) if kind in SCALARS else text


def open_fields() -> list[FieldDescriptor]:
    """The fields that a config can set without meeting one that is ignored, refused or still to come."""
    messages = [message for message, standing in reachable().items() if standing == "implemented"]
    return [field for message in messages for field in message.fields]


def has_choice(field: FieldDescriptor) -> bool:
    """Whether two values of a field can mean different things: of some enums, all values but one are refused."""
    if field.enum_type is None:
        return True
    return sum(status(value).standing == "implemented" for value in field.enum_type.values) > 1


def enums() -> list[EnumDescriptor]:
    found = [field.enum_type for message in reachable() for field in message.fields if field.enum_type]
    return list(dict.fromkeys(found))


def names_read() -> set[str]:
    """Every attribute, and every word of a text that is a path of names, in the code of the package.

    Sentences and docstrings are not looked into: they name fields without reading them.
    """
    names: set[str] = set()
    for path in sorted((ROOT / "easymtl").rglob("*.py")):
        if "protos" not in path.relative_to(ROOT).parts:
            names.update(_names_in(ast.parse(path.read_text(encoding="utf-8"))))
    return names


def _names_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and re.fullmatch(r"[\w.\[\]]+", str(node.value)):
            yield from re.findall(r"[A-Za-z_]\w*", str(node.value))


@pytest.mark.parametrize("row", rows("fields"), ids=lambda row: f"{row[0]}.{row[1]}")
def test_a_field_of_the_dialect_exists_with_its_type_and_default(row):
    message, name, kind, type_name, default = row
    field = find_message(message).fields_by_name[name]
    assert type_of(field) == listed_type(type_name)
    assert kind_of(field) == kind
    expected = listed_default(default, type_name)
    if type_name == "float" and expected is not None:
        expected = pytest.approx(expected, rel=1e-6)
    assert default_of(field) == expected


@pytest.mark.parametrize("row", rows("enums"), ids=lambda row: row[0])
def test_an_enum_of_the_dialect_has_its_values(row):
    name, values = row
    enum = Pipeline.DESCRIPTOR.file.pool.FindEnumTypeByName(our_name(name))
    # From 100 on they are ours.
    assert [value.name for value in enum.values if value.number < 100] == values.split()


def test_the_list_of_fields_is_whole():
    assert len(rows("fields")) == 865
    assert len(rows("enums")) == 9


def test_a_field_without_a_status_is_read_by_the_code():
    read = names_read()
    fields = [field for field in open_fields() if status(field).standing == "implemented" and has_choice(field)]
    # The parameters of layers are found by their type, which the table of layers names.
    fields = [field for field in fields if getattr(field.containing_oneof, "name", "") != "params"]
    unread = sorted(field.full_name.removeprefix("easymtl.") for field in fields if field.name not in read)
    assert not unread, f"{len(unread)} fields have no status, and no code reads them: {', '.join(unread)}"


def test_sentences_and_docstrings_do_not_count_as_reading():
    code = '"""Says batch_size."""\nraise ValueError("set batch_size")\nprint(tower.weight, "data_config.seed")'
    assert set(_names_in(ast.parse(code))) == {"weight", "data_config", "seed"}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("data_config { input_fields { ignore_val: '' } } export_config { early_stop_func: '' }", 0),
        ("data_config { input_fields { ignore_val: 'x' } } export_config { early_stop_func: 'stop' }", 2),
        ("export_config { early_stop_func: '' }", 0),
        ("export_config { early_stop_func: 'stop' }", 1),
        ("data_config { input_fields { input_dim: 1 } input_fields { input_dim: 2 } }", 1),
        ("hive_train_input { }", 1),
    ],
)
def test_a_field_that_is_refused_may_be_written_with_its_default(text, problems):
    findings = Findings(Places("x.config"))
    Parser(text, findings).parse(Pipeline())
    assert len(findings.problems) == problems


def test_a_message_stands_as_the_best_path_that_leads_to_it():
    found = {message.full_name.removeprefix("easymtl."): standing for message, standing in reachable().items()}
    assert found["DNN"] == "implemented"
    assert found["BackboneTower"] == "implemented"
    assert found["KafkaServer"] == "refused"
    assert set(found.values()) <= set(STANDINGS)


def described() -> list:
    """Every field of a config and every value of its enums."""
    fields = [field for message in reachable() for field in message.fields]
    return fields + [value for enum in enums() for value in enum.values]


def test_a_status_is_one_sentence_that_says_enough():
    for item in described():
        extensions = item.GetOptions().Extensions
        prefix = "" if isinstance(item, FieldDescriptor) else "value_"
        sentences = [extensions[getattr(options_pb2, prefix + name)] for name in STANDINGS[1:]]
        sentences = [sentence for sentence in sentences if sentence]
        assert len(sentences) <= 1, item.full_name
        for sentence in sentences:
            assert re.fullmatch(r"[A-Z].{18,}\.", sentence), (item.full_name, sentence)


def test_ranges_are_intervals_of_numbers_and_hold_the_default():
    for field in (field for message in reachable() for field in message.fields):
        allowed = field.GetOptions().Extensions[options_pb2.range]
        if not allowed:
            continue
        assert field.type in {SCALARS[name] for name in NUMBERS}, field.full_name
        assert RANGE.fullmatch(allowed), (field.full_name, allowed)
        low, high = (float(end) for end in allowed[1:-1].split(", "))
        assert low <= high, (field.full_name, allowed)
        if field.has_default_value:
            assert low <= field.default_value <= high, (field.full_name, allowed)


def test_choices_belong_to_texts_and_hold_the_default():
    for field in (field for message in reachable() for field in message.fields):
        choices = field.GetOptions().Extensions[options_pb2.choices].split()
        if choices:
            assert field.type == FieldDescriptor.TYPE_STRING, field.full_name
            assert field.default_value in choices, field.full_name


def test_everything_has_a_comment():
    pytest.importorskip("grpc_tools")
    said = comments()
    names = [message.full_name for message in reachable()]
    names += [field.full_name for message in reachable() for field in message.fields]
    names += [enum.full_name for enum in enums()]
    names += [f"{enum.full_name}.{value.name}" for enum in enums() for value in enum.values]
    assert [name for name in names if not said.get(name)] == []
    assert [name for name in names if not said[name].endswith(".")] == []
