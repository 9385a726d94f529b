"""Layers, losses, metrics and weights of towers, word by word."""

import pytest
from google.protobuf import text_format

from easymtl.config.names import ACTIVATIONS
from easymtl.convert.report import Kind
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.eval_pb2 import EvalMetrics
from tests.convert.test_models import first_tower

LABEL = 'label_name: "click"'


@pytest.mark.parametrize(
    ("theirs", "ours", "is_told"),
    [
        ("Dice", "dice", False),
        ("nn.ELU", "elu", False),
        ("nn.GELU", "gelu", True),
        ("nn.Identity", "linear", False),
        ("nn.LeakyReLU", "leaky_relu", True),
        ("nn.PReLU", "prelu", True),
        ("nn.SELU", "selu", False),
        ("nn.SiLU", "swish", False),
        ("nn.Sigmoid", "sigmoid", False),
        (" nn.Tanh ", "tanh", False),
    ],
)
def test_activations(small, said, theirs, ours, is_told):
    mlp = f'mlp {{ hidden_units: 4 activation: "{theirs}" }}'
    conversion = small((LABEL, f"{LABEL} {mlp}"))
    assert conversion.pipeline.model_config.mmoe.task_towers[0].dnn.activation == ours
    assert ours in (*ACTIVATIONS, "linear")
    assert any("mlp.activation" in remark for remark in said(conversion, Kind.CHANGED)) == is_told
    assert said(conversion, Kind.LEFT_OUT) == []
    assert conversion.check("out.config") == []


def test_a_bias_before_a_norm_is_none_in_both(small, said):
    conversion = small((LABEL, f"{LABEL} mlp {{ hidden_units: 4 bias: false use_bn: true }}"))
    assert said(conversion, Kind.LEFT_OUT) == []


@pytest.mark.parametrize(
    ("tower", "kind", "text"),
    [
        ("losses { binary_cross_entropy { label_smoothing: 0.1 } }", Kind.LEFT_OUT, "labels are not smoothed"),
        ("losses { }", Kind.LEFT_OUT, "a loss of semantic ids"),
        ("metrics { accuracy { threshold: 0.3 } }", Kind.LEFT_OUT, "classes are told apart at 0.5"),
        ("metrics { accuracy { top_k: 3 } } num_class: 9", Kind.CHANGED, "it is recall_at_topk with topk: 3"),
        ("train_metrics { }", Kind.LEFT_OUT, "metrics are of the evaluation data"),
        (
            'task_space_indicator_label: "buy" in_task_space_weight: 0 out_task_space_weight: 2',
            Kind.CHANGED,
            "divided by their mean",
        ),
    ],
)
def test_remarks_on_towers(small, said, tower, kind, text):
    (remark,) = said(small((LABEL, f"{LABEL} {tower}")), kind)
    assert remark.startswith("18 ")
    assert ' of "ctr": ' in remark
    assert text in remark


def test_weights_in_and_out_of_the_space_that_are_equal_are_the_same_in_both(small, said):
    space = 'task_space_indicator_label: "buy" in_task_space_weight: 2 out_task_space_weight: 2'
    assert said(small((LABEL, f"{LABEL} {space}")), Kind.CHANGED) == []


def test_rows_that_weigh_nothing_anywhere_stay_so(small):
    space = 'task_space_indicator_label: "buy" in_task_space_weight: 0 out_task_space_weight: 0'
    tower = first_tower(small, (LABEL, f"{LABEL} {space}"))
    assert (tower.in_task_space_weight, tower.out_task_space_weight) == (0, 0)


def test_a_metric_that_is_named_twice_is_one(small):
    metrics = (
        "metrics { auc { } } metrics { auc { thresholds: 9 } } metrics { xauc { } } metrics { mean_absolute_error { } }"
    )
    found = first_tower(small, (LABEL, f"{LABEL} {metrics}")).metrics_set
    ours = ["auc { }", "xauc { }", "mean_absolute_error { }"]
    assert list(found) == [text_format.Parse(text, EvalMetrics()) for text in ours]


def test_a_column_of_weights_is_declared(small):
    conversion = small((LABEL, f'{LABEL} sample_weight_name: "w"'))
    types = {field.input_name: field.input_type for field in conversion.pipeline.data_config.input_fields}
    assert types["w"] == DatasetConfig.FLOAT
