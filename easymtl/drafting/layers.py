"""Layers of a draft."""

from collections.abc import Sequence

from easymtl.protos.layer_pb2 import DNN


def dense(units: Sequence[int], dropout: float) -> DNN:
    """Returns layers with one rate of dropout."""
    return DNN(hidden_units=units, dropout_ratio=[dropout] * len(units) if dropout else [])
