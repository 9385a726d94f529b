"""The MLPs of block graphs: what is checked before anything is built."""

import pytest
from google.protobuf import text_format

from easymtl.config.problems import Findings, Places
from easymtl.config.rules.model import check_networks
from easymtl.config.rules.review import Review
from easymtl.protos.pipeline_pb2 import Pipeline


def faults(text: str) -> list[str]:
    """Returns what is said of the MLP of a block."""
    block = f'blocks {{ name: "deep" keras_layer {{ class_name: "MLP" mlp {{ {text} }} }} }}'
    pipeline = text_format.Parse(f"model_config {{ backbone {{ {block} }} }}", Pipeline())
    review = Review(pipeline, Findings(Places("x.config")))
    check_networks(review)
    return [problem.text for problem in review.problems]


@pytest.mark.parametrize(
    "text",
    [
        "hidden_units: [8, 4]",
        "hidden_units: [8, 4] dropout_ratio: 0.1",
        'hidden_units: [8, 4] activation: "softmax" final_activation: "mish" initializer: "GlorotNormal"',
    ],
)
def test_what_can_be_built_is_accepted(text):
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "keras_layer.mlp needs hidden_units"),
        ("hidden_units: [8, 4] dropout_ratio: [0, 0, 0]", "mlp.dropout_ratio has 3 values for 2 hidden_units"),
        ('hidden_units: 4 final_activation: "sofmax"', 'Did you mean "softmax"?'),
        ('hidden_units: 4 initializer: "he_unifrom"', 'mlp.initializer "he_unifrom" is none of "glorot_uniform", '),
        ('hidden_units: 4 initializer: "he_unifrom"', 'Did you mean "he_uniform"?'),
    ],
)
def test_what_cannot_is_told(text, message):
    [fault] = faults(text)
    assert message in fault
