"""The layer of a feature's numbers: what it cannot be made of. Its formulas are in tests/models/test_input_layer.py."""

import pytest
from google.protobuf import text_format

from easymtl.layers.context import Build
from easymtl.layers.feature_numbers import NumberVectors
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.feature_pb2 import FeatureConfig


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nary_dis_embedding { embedding_dim: 2 carries: 1 }", "has carries [1]; bases of numbers are 2 to 65536"),
        ("nary_dis_embedding { embedding_dim: 2 num_replicas: 0 }", "has num_replicas 0; it must be 1 or more"),
        ("auto_dis_embedding { embedding_dim: 2 num_bins: 3 }", "needs temperature above 0"),
        ("periodic_embedding { embedding_dim: 3 sigma: 1 }", "has embedding_dim 3"),
    ],
)
def test_what_cannot_be_built_is_refused_before_it_is(text, message):
    build = Build()
    with pytest.raises(ShapeFault) as caught:
        NumberVectors(build, "x", text_format.Parse(text, FeatureConfig()), 1)
    assert str(caught.value).startswith(message)
    assert not build.parameters
