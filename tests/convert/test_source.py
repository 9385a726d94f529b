"""Nothing of a config is dropped in silence."""

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places
from easymtl.convert import convert
from easymtl.convert.dialect import new_config
from easymtl.convert.report import Kind
from easymtl.convert.source import read_source
from tests.convert.conftest import CONFIGS, SMALL


def test_what_no_rule_reads_is_told_with_its_line():
    source = read_source(SMALL, "x.config")
    train = source.node("train_config")
    assert [(node.name, field) for node, field in train.unread()] == [
        ("TrainConfig", "sparse_optimizer"),
        ("TrainConfig", "dense_optimizer"),
        ("TrainConfig", "num_epochs"),
    ]
    sparse = train.node("sparse_optimizer")
    train.mark("dense_optimizer", "num_epochs")
    assert [field for _, field in train.unread()] == ["adam_optimizer", "constant_learning_rate"]
    sparse.mark_all()
    assert list(train.unread()) == []
    assert source.line("model_config") == 13


def test_a_field_that_is_read_from_one_of_a_list_is_unread_in_the_others():
    source = read_source(SMALL.replace("model_config {", "feature_configs { }\nmodel_config {"), "x.config")
    first, _ = source.nodes("feature_configs")
    first.node("id_feature").mark_all()
    assert [node.path for node, _ in source.unread() if node.path.startswith("feature_configs")] == []
    features = read_source(SMALL, "x.config").nodes("feature_configs")
    assert [(node.path, field) for node, field in features[0].unread()] == [("feature_configs[0]", "id_feature")]


def scalars_of(message, path=""):
    """Yields path, message and descriptor of every scalar field of a message and of those that are set in it."""
    for descriptor in message.DESCRIPTOR.fields:
        if descriptor.message_type is None:
            yield path, message, descriptor
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for index, item in enumerate(value if descriptor.is_repeated else [value]):
                yield from scalars_of(item, f"{path}.{descriptor.name}[{index}]")


def another_value(descriptor):
    if descriptor.enum_type is not None:
        names = descriptor.enum_type.values
        return names[-1].number
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "some text"
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return not descriptor.default_value
    return 0.125 if descriptor.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE) else 17


# What has no effect in TorchEasyRec either, in some of the places where the example configs may have it.
WITHOUT_EFFECT_THERE = {
    "gradients that are not cut": ["max_gradient"],
    "the global norm is cut anyway": ["enable_global_grad_clip"],
    "a buffer without shuffle": ["shuffle_buffer_size"],
    "computed before": [
        "expression",
        "variables",
        "map",
        "key",
        "combiner",
        "fill_missing",
        "need_discrete",
        "need_key",
    ],
    "computed before, too": ["value_separator", "default_value", "fg_encoded"],
    "not computed before": ["fg_encoded_multival_sep", "fg_encoded_default_value"],
    "no vocabulary": ["default_bucketize_value"],
    "one value": ["separator", "pooling"],
    "several values in any case": ["value_dim"],
    "one column": ["sequence_fields"],
    "a number without a table": ["embedding_name", "init_fn", "data_type", "trainable"],
    "one group": ["embedding_name_suffix"],
    "no indicator": ["in_task_space_weight", "out_task_space_weight"],
    "no warm-up": ["warmup_learning_rate"],
    "no bias before a norm": ["bias"],
    "a name for logs": ["name"],
    "zch is told as a whole": ["eviction_interval", "threshold_filtering_func"],
}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.config")), ids=lambda path: path.stem)
def test_every_field_changes_the_result_or_the_report(path):
    """Sets each scalar field that a config could have in its messages, one at a time, to another value."""
    config = new_config()
    Parser(path.read_text(), Findings(Places("x"))).parse(config)
    base = convert(text_format.MessageToString(config), "x.config")
    told = {remark.field.split(" of ")[0].rpartition(".")[2] for remark in base.report.remarks}
    silent = set()
    for place, _, descriptor in list(scalars_of(config)):
        changed = type(config)()
        changed.CopyFrom(config)
        target = next(found for where, found, field in scalars_of(changed) if where == place and field is descriptor)
        value, another = getattr(target, descriptor.name), another_value(descriptor)
        if descriptor.containing_oneof is not None or value == another:
            continue
        if descriptor.is_repeated:
            value.append(another)
        else:
            setattr(target, descriptor.name, another)
        result = convert(text_format.MessageToString(changed), "x.config")
        said = [(remark.kind, remark.field, remark.text) for remark in result.report.remarks]
        said_before = [(remark.kind, remark.field, remark.text) for remark in base.report.remarks]
        if result.pipeline == base.pipeline and said == said_before and descriptor.name not in told:
            silent.add(descriptor.name)
    assert silent <= {name for names in WITHOUT_EFFECT_THERE.values() for name in names}


def test_kinds_of_remarks_are_groups_of_the_report(small):
    report = small(("num_epochs: 1", "num_epochs: 1 cudnn_allow_tf32: false")).report
    assert (
        "not needed here (1):\n  x.config:7 train_config.cudnn_allow_tf32: it is a switch of PyTorch." in report.text()
    )
    assert report.of(Kind.LEFT_OUT) == []
