"""The text format: everything protobuf's own parser reads, and a place for every field and mistake."""

import math
import random
import string

import pytest
from google.protobuf import text_format

from easymtl.config.lexer import tokens
from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places, Position
from easymtl.protos import options_pb2
from easymtl.protos.backbone_pb2 import BackboneTower, KerasLayer
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.model_pb2 import ESMM, PLE, ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig


def parse(text, message):
    findings = Findings(Places("x.config"))
    Parser(text, findings).parse(message)
    return message, findings


def mistakes(text, message):
    return [str(problem) for problem in parse(text, message)[1].problems]


@pytest.mark.parametrize(
    "text",
    [
        "hidden_units: 8 hidden_units: 4",
        "hidden_units: [8, 4]",
        "hidden_units: [8]\nhidden_units: 4",
        "hidden_units: 0x8, hidden_units: 04;",
        '# first\nhidden_units: 8 # [ { "\nhidden_units: [ # inside\n 4 ]',
    ],
)
def test_lists_are_brackets_or_repeated_lines(text):
    message, findings = parse(text, DNN())
    assert (list(message.hidden_units), findings.problems) == ([8, 4], [])


@pytest.mark.parametrize("text", ["0.5", ".5", "5e-1", "5E-01", "0.5f", "0.5F", "00.5"])
def test_numbers_are_written_in_many_ways(text):
    message, findings = parse(f"dropout_ratio: {text}", DNN())
    assert (list(message.dropout_ratio), findings.problems) == ([0.5], [])


@pytest.mark.parametrize(
    "text, value",
    [("inf", math.inf), ("-inf", -math.inf), ("- Infinity", -math.inf), ("-7", -7.0), ("1.f", 1.0), ("0x10", 16.0)],
)
def test_special_numbers(text, value):
    assert parse(f"min_val: {text}", FeatureConfig())[0].min_val == value


def test_nan_is_a_number():
    assert math.isnan(parse("min_val: nan", FeatureConfig())[0].min_val)


@pytest.mark.parametrize("text", ["true", "True", "t", "1"])
def test_true_has_four_names(text):
    assert parse(f"use_bn: {text}", DNN())[0].use_bn is True


@pytest.mark.parametrize("text", ["false", "False", "f", "0"])
def test_false_has_four_names(text):
    assert parse(f"use_bn: {text}", DNN())[0].use_bn is False


@pytest.mark.parametrize("text", ["FLOAT", "3"])
def test_enums_are_names_or_numbers(text):
    assert parse(f"input_type: {text}", DatasetConfig.Field())[0].input_type == DatasetConfig.FLOAT


@pytest.mark.parametrize(
    "text, value",
    [
        ('"a" \'b\'\n"c"', "abc"),
        (r'"\001"', "\x01"),
        (r'"\x41\t\"\'\\"', "A\t\"'\\"),
        (r'"\344\275\240"', "你"),
        (r'"\d+\."', r"\d+\."),
        ('"北京 # not a comment {"', "北京 # not a comment {"),
        ("'it\"s'", 'it"s'),
    ],
)
def test_strings_have_two_quotes_escapes_and_continue(text, value):
    assert parse(f"separator: {text}", DatasetConfig())[0].separator == value


@pytest.mark.parametrize(
    "text",
    [
        "feature_config { features { } features { } }",
        "feature_config: { features: { } features < > }",
        "feature_config < features [ { }, < > ] >",
        "feature_config { features { } } feature_config { features { } }",
    ],
)
def test_messages_have_braces_or_angles_and_merge_when_repeated(text):
    message, findings = parse(text, Pipeline())
    assert (len(message.feature_config.features), findings.problems) == (2, [])


def test_an_empty_message_is_present():
    assert parse("eval_config { }", Pipeline())[0].HasField("eval_config")


def test_map_fields_are_read():
    text = """class_name: "L" st_params {
      fields { key: "n" value { number_value: 3 } } fields: { key: "b" value: { bool_value: true } }
    }"""
    message, findings = parse(text, KerasLayer())
    assert dict(message.st_params.items()) == {"n": 3.0, "b": True}
    assert findings.problems == []


def test_every_field_has_a_place():
    text = "train_config {\n  num_steps: 5\n  optimizer_config { }\n  optimizer_config {\n    adam_optimizer { } }\n}\n"
    positions = parse(text, Pipeline())[1].places.positions
    assert positions["train_config"] == Position(1, 1)
    assert positions["train_config.num_steps"] == Position(2, 3)
    assert positions["train_config.optimizer_config[0]"] == Position(3, 3)
    assert positions["train_config.optimizer_config[1].adam_optimizer"] == Position(5, 5)


def test_items_of_a_list_have_places_of_their_own():
    positions = parse('label_fields: ["a",\n "b"]\nlabel_fields: "c"', DatasetConfig())[1].places.positions
    assert [positions[f"label_fields[{index}]"].line for index in range(3)] == [1, 2, 3]


def test_the_place_of_a_missing_field_is_that_of_the_message_around_it():
    places = parse("train_config {\n optimizer_config { } }", Pipeline())[1].places
    assert places.where("train_config.optimizer_config[0].adam_optimizer.beta1") == "x.config:2"
    assert places.where("data_config.batch_size") == "x.config"


MISTAKES = [
    ("num_step: 1", 'x.config:1:1: the config has no field "num_step"'),
    (
        "train_config {\n  num_step: 1\n}",
        'x.config:2:3: train_config has no field "num_step". Did you mean "num_steps"?',
    ),
    (
        "model_config { mmoe { expert_num: 4 } }",
        'model_config.mmoe has no field "expert_num". Did you mean "num_expert"?',
    ),
    ("train_config { zzz { a: { b: '}' } } num_steps: 3 }", 'train_config has no field "zzz". Its fields: "'),
    ("model_dir: runs", 'x.config:1:12: model_dir needs a text in quotes, found runs. Write "runs".'),
    ('model_dir "runs"', 'model_dir needs a ":" and a text in quotes, found "runs".'),
    ("train_config { num_steps: -5 }", "num_steps is -5, but must lie between 0 and 4294967295."),
    ("train_config { num_steps: 1.5 }", "num_steps needs a whole number, 0 or more, found 1.5."),
    ('train_config { num_steps: "5" }', 'num_steps needs a whole number, 0 or more, found "5".'),
    ("train_config { num_steps: " + "9" * 5000 + " }", "must lie between 0 and 4294967295."),
    ("train_config { gradient_clipping_by_norm: 1e40 }", "is 1e40, too large for a float of 32 bits."),
    ("train_config { write_graph: yes }", "write_graph needs true or false, found yes."),
    ("train_config { mixed_precision: BFLOAT }", 'is "BFLOAT", which is none of "AUTO", "FLOAT32", "BFLOAT16". Did'),
    ('train_config { mixed_precision: "x" }', "needs one of AUTO, FLOAT32, BFLOAT16; found"),
    ('train_config { mixed_precision: "AUTO" }', "Write AUTO without quotes."),
    ("train_config: 5", "train_config needs a message in { }, found 5."),
    ('model_dir: ["a", "b"]', "model_dir takes one value, not a list."),
    ('model_dir: "a"\n\nmodel_dir: "b"', "x.config:3:1: model_dir is set twice, on lines 1 and 3. Keep one of them."),
    (
        'train_input_path: "a"\nparquet_train_input: "b"',
        "parquet_train_input (line 2) and train_input_path (line 1) exclude each other",
    ),
    ('model_dir: "\\xff"', "has a text that is not UTF-8"),
    ('model_dir: "\\x"', "has a wrong backslash escape"),
    ('model_dir: "runs\nmodel_dir: "x"', 'model_dir needs a text in quotes, found "runs.'),
    ("train_config {\n num_steps: 1\n", 'x.config:1:14: the "{" of train_config is never closed.'),
    ("train_config { num_steps: 1 } }", 'x.config:1:31: "}" closes nothing.'),
    ("train_config { num_steps: 1 >", '"}" is needed here, found ">".'),
    ("data_config { label_fields: ['a' 3 'b'] }", '"," or "]" is needed in label_fields, found 3.'),
    ("data_config { label_fields: ['a'\n batch_size: 3 }", '"," or "]" is needed in label_fields'),
    ("\x00\x01\x02", "the name of a field is needed here, found \\x00"),
    ("= 5", "the name of a field is needed here, found =."),
    ("[ext.name] { a: 1 }", "the name of a field is needed here, found [."),
]


@pytest.mark.parametrize("text, expected", MISTAKES, ids=[expected[:60] for _, expected in MISTAKES])
def test_a_mistake_has_a_place_and_a_sentence(text, expected):
    found = mistakes(text, Pipeline())
    assert any(expected in line for line in found), found
    assert all(line.startswith("x.config:") for line in found)


def test_reading_goes_on_after_each_mistake():
    text = """
    model_dir: 5
    train_config { num_step: 1 num_steps: x write_graph: maybe seed: 7 }
    data_config { label_fields: [a, "b"] unknown < deep { "}" } > batch_size: 3 }
    """
    message, findings = parse(text, Pipeline())
    assert [problem.position.line for problem in findings.problems] == [2, 3, 3, 3, 4, 4]
    assert (message.train_config.seed, message.data_config.batch_size) == (7, 3)
    assert list(message.data_config.label_fields) == ["b"]
    assert not findings.is_broken


RECOVERED = [
    # A missing brace is named where the next message shows it, and closed there.
    (
        "train_config { optimizer_config { adam_optimizer { } }\ndata_config { batch_size: 3 }\nmodel_dir: 'm'",
        ['x.config:2:1: train_config has no field "data_config", but the config has: a "}" seems to be missing'],
        {"data_config.batch_size": 3, "model_dir": "m"},
    ),
    (
        "data_config { label_fields: ['a', 'b'\n batch_size: 3 }\nmodel_dir: 'm'",
        ['x.config:2:2: "," or "]" is needed in label_fields, found batch_size.'],
        {"data_config.batch_size": 3, "model_dir": "m"},
    ),
    (
        "data_config { input_fields: [ { input_name: 'a' } { input_name: 'b' } ] batch_size: 3 }",
        ['"," or "]" is needed in input_fields, found {.'],
        {"data_config.batch_size": 3},
    ),
    # With all braces there, the field is in the wrong message.
    (
        "train_config { model_dir: 'm' num_steps: 3 }",
        ['train_config has no field "model_dir". It is a field of the config: move it there.'],
        {"train_config.num_steps": 3},
    ),
    ("model_dir：“m”\ntrain_config { num_steps: 3 }", ["found ：“."], {"train_config.num_steps": 3}),
    ("train_config = { seed: 1 }\nmodel_dir: 'm'", ["needs a message in { }, found =."], {"model_dir": "m"}),
    ("// remark\nmodel_dir: 'm'", ["the name of a field is needed here, found /."], {"model_dir": "m"}),
    ("train_config { num_steps: seed: 3 }", ["a whole number, 0 or more, found seed."], {}),
    ("data_config { label_fields: [;;;] batch_size: 3 }", None, {"data_config.batch_size": 3}),
]


@pytest.mark.parametrize("text, expected, values", RECOVERED, ids=[text.split("\n")[0] for text, _, _ in RECOVERED])
def test_one_mistake_is_reported_once_and_the_rest_is_read(text, expected, values):
    message, findings = parse(text, Pipeline())
    found = [str(problem) for problem in findings.problems]
    if expected is not None:
        assert len(found) == len(expected), found
        assert all(part in line for part, line in zip(expected, found)), found
    for path, value in values.items():
        section, _, field = path.rpartition(".")
        assert getattr(getattr(message, section) if section else message, field) == value


def test_the_second_member_of_a_oneof_names_both_lines():
    text = "mmoe {\n}\ndbmtl { }\n"
    assert mistakes(text, ModelConfig()) == [
        "x.config:3:1: dbmtl (line 3) and mmoe (line 1) exclude each other: "
        "of model only one can be set. Remove one of them."
    ]


def test_a_refused_field_is_reported_with_its_sentence_and_its_body_is_not_read():
    text = 'kafka_train_input {\n server: nonsense { "}" } [ 1 2 ]\n}\nmodel_dir: "m"'
    message, findings = parse(text, Pipeline())
    sentence = Pipeline.DESCRIPTOR.fields_by_name["kafka_train_input"].GetOptions().Extensions[options_pb2.refused]
    assert [str(problem) for problem in findings.problems] == [
        f"x.config:1:1: kafka_train_input is not supported. {sentence}"
    ]
    assert message.model_dir == "m"


def test_an_ignored_field_is_noted_once():
    text = "sync_replicas: true\nwrite_graph: false\n"
    _, findings = parse(text, TrainConfig())
    assert [note.where for note in findings.ignored.values()] == ["x.config:1", "x.config:2"]
    assert "sync_replicas is ignored." in findings.ignored["easymtl.TrainConfig.sync_replicas"].text


def test_nesting_is_bounded():
    deep = "list_value { values { " * 5000
    found = mistakes(f'class_name: "x" st_params {{ fields {{ key: "a" value {{ {deep}', KerasLayer())
    assert any("messages are nested deeper than 100" in line for line in found)


def test_problems_are_bounded():
    assert len(mistakes("zz: 1\n" * 10_000, Pipeline())) == 100


@pytest.mark.parametrize(
    "piece", ["{", "[", "<", "}", '"', "'", "\\", "#", ":", "a", "9", "-", "\x00", "\n", "a{", "a:["]
)
def test_long_nonsense_ends_quickly(piece):
    parse(piece * 50_000, Pipeline())


def test_tokens_know_line_and_column():
    assert [(t.text, t.line, t.column) for t in tokens("a: 1\r\n  # c\n b{}")] == [
        ("a", 1, 1), (":", 1, 2), ("1", 1, 4), ("b", 3, 2), ("{", 3, 3), ("}", 3, 4), ("", 3, 5)
    ]  # fmt: skip


STYLES = [
    {},
    {"as_utf8": True},
    {"as_one_line": True},
    {"use_short_repeated_primitives": True},
    {"pointy_brackets": True, "as_one_line": True},
    {"use_index_order": True, "indent": 3, "as_utf8": True},
]
LETTERS = string.printable + "é你\x00\x7f\"'\\#{}"


def is_readable(descriptor):
    options = descriptor.GetOptions().Extensions
    return not options[options_pb2.refused] and not options[options_pb2.later]


def random_scalar(descriptor, generator):
    kind = descriptor.cpp_type
    if kind == descriptor.CPPTYPE_STRING:
        return "".join(generator.choices(LETTERS, k=generator.randrange(6)))
    if kind == descriptor.CPPTYPE_BOOL:
        return generator.random() < 0.5
    if kind == descriptor.CPPTYPE_ENUM:
        return generator.choice([value.number for value in descriptor.enum_type.values])
    if kind in (descriptor.CPPTYPE_FLOAT, descriptor.CPPTYPE_DOUBLE):
        return generator.choice([0.0, -0.0, 1e-6, 3e38, math.inf, -math.inf, math.nan, generator.gauss(0, 10)])
    signed = kind in (descriptor.CPPTYPE_INT32, descriptor.CPPTYPE_INT64)
    bits = 32 if kind in (descriptor.CPPTYPE_INT32, descriptor.CPPTYPE_UINT32) else 64
    return generator.choice([0, 1, 2 ** (bits - signed) - 1, -(2 ** (bits - 1)) if signed else 7])


def fill(message, generator, depth):
    oneofs = set()
    for descriptor in message.DESCRIPTOR.fields:
        is_map = descriptor.message_type and descriptor.message_type.GetOptions().map_entry
        if not is_readable(descriptor) or is_map or generator.random() < 0.5:
            continue
        if descriptor.containing_oneof and descriptor.containing_oneof.name in oneofs:
            continue
        oneofs.add(descriptor.containing_oneof and descriptor.containing_oneof.name)
        oneofs.discard(None)
        value = getattr(message, descriptor.name)
        if descriptor.message_type is None:
            if descriptor.is_repeated:
                value.extend(random_scalar(descriptor, generator) for _ in range(generator.randrange(3)))
            else:
                setattr(message, descriptor.name, random_scalar(descriptor, generator))
        elif depth > 0:
            if not descriptor.is_repeated:
                value.SetInParent()
            inner = [value.add() for _ in range(generator.randrange(3))] if descriptor.is_repeated else [value]
            for item in inner:
                fill(item, generator, depth - 1)


@pytest.mark.parametrize("style", STYLES, ids=[" ".join(style) or "plain" for style in STYLES])
@pytest.mark.parametrize("kind", [Pipeline, BackboneTower, ESMM, PLE], ids=lambda kind: kind.__name__)
def test_what_protobuf_prints_is_read_back_equal(kind, style):
    for seed in range(25):
        message = kind()
        fill(message, random.Random(seed), 5)
        text = text_format.MessageToString(message, **style)
        read, findings = parse(text, kind())
        unexpected = [str(problem) for problem in findings.problems if "is not supported" not in problem.text]
        assert unexpected == []
        assert read.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
