"""Which parameters of embeddings of numbers are refused, and how wide their vectors are."""

import pytest
from google.protobuf import text_format

from easymtl.config.number_embeddings import num_replicas, parameter_faults, vector_width
from easymtl.protos.backbone_pb2 import AutoDisEmbedding, NaryDisEmbedding, PeriodicEmbedding


@pytest.mark.parametrize(
    ("kind", "text", "paths"),
    [
        (PeriodicEmbedding, "embedding_dim: 2 sigma: 0.1", []),
        (PeriodicEmbedding, "embedding_dim: 3 sigma: 0.1", ["embedding_dim"]),
        (PeriodicEmbedding, "embedding_dim: 0 sigma: 0.1", ["embedding_dim"]),
        (PeriodicEmbedding, "embedding_dim: 2 sigma: 0", [""]),
        (PeriodicEmbedding, 'embedding_dim: 2 sigma: 1 linear_activation: "rule"', ["linear_activation"]),
        (
            PeriodicEmbedding,
            'embedding_dim: 2 sigma: 1 add_linear_layer: false linear_activation: "relu"',
            ["linear_activation"],
        ),
        (PeriodicEmbedding, "embedding_dim: 2 sigma: 1 add_linear_layer: false", []),
        (AutoDisEmbedding, "embedding_dim: 1 num_bins: 1 temperature: 0.1", []),
        (AutoDisEmbedding, "temperature: 0", ["", "", ""]),
        (NaryDisEmbedding, "embedding_dim: 1 carries: [2, 65536]", []),
        (NaryDisEmbedding, "embedding_dim: 1 carries: 1", ["carries"]),
        (NaryDisEmbedding, "embedding_dim: 1 carries: 65537", ["carries"]),
        (NaryDisEmbedding, "num_replicas: 0 multiplier: 0", ["", "num_replicas", "multiplier"]),
        (NaryDisEmbedding, 'embedding_dim: 1 intra_ary_pooling: "mean"', []),
        (NaryDisEmbedding, 'embedding_dim: 1 intra_ary_pooling: "max"', ["intra_ary_pooling"]),
        (NaryDisEmbedding, 'embedding_dim: 1 inter_ary_pooling: "sum"', ["inter_ary_pooling"]),
    ],
)
def test_parameters_that_cannot_be_built_are_told(kind, text, paths):
    assert [fault.path for fault in parameter_faults(text_format.Parse(text, kind()))] == paths


@pytest.mark.parametrize(
    ("config", "width", "replicas"),
    [
        (PeriodicEmbedding(embedding_dim=6), 6, 1),
        (AutoDisEmbedding(embedding_dim=5), 5, 1),
        (NaryDisEmbedding(embedding_dim=3, carries=[2, 9, 16], num_replicas=2), 9, 2),
        (NaryDisEmbedding(embedding_dim=3), 6, 1),
    ],
)
def test_vectors_are_as_wide_as_their_bases_make_them(config, width, replicas):
    assert (vector_width(config), num_replicas(config)) == (width, replicas)
