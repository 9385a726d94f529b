"""What is wrong with a layer that makes vectors of the numbers of one feature."""

from collections.abc import Iterator
from typing import NamedTuple

from easymtl.config.names import BLOCK_ACTIVATIONS, activation_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_NUMBERS = (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)
_INSTEAD = ("embedding_dim", "boundaries", "num_buckets", "embedding_name")
_FORMS = ("output_3d_tensor", "output_tensor_list")
_NEEDED: dict[str, dict[str, float]] = {
    "periodic_embedding": {"embedding_dim": 16, "sigma": 0.1},
    "auto_dis_embedding": {"embedding_dim": 16, "num_bins": 20, "temperature": 0.8},
    "nary_dis_embedding": {"embedding_dim": 16, "multiplier": 1, "num_replicas": 1},
}


class Fault(NamedTuple):
    """A mistake in a feature.

    Attributes:
        field: the field that is wrong; empty for the feature as a whole.
        text: what is wrong; goes on after the name of the field, or of the feature.
        reads: paths outside of the feature that were looked at.
    """

    field: str
    text: str
    reads: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.field} {self.text}".strip()


def number_embedding_faults(feature: FeatureConfig) -> Iterator[Fault]:
    """Yields what is wrong with the `number_embedding` of a feature, if it has one."""
    kind = feature.WhichOneof("number_embedding")
    if kind is None:
        return
    if feature.feature_type not in _NUMBERS:
        allowed = quoted(FeatureConfig.FeatureType.Name(number) for number in _NUMBERS)
        found = FeatureConfig.FeatureType.Name(feature.feature_type)
        yield Fault(kind, f"makes vectors of numbers, which {found} does not have; allowed are {allowed}.")
        return
    for field in _INSTEAD:
        if getattr(feature, field):
            yield Fault(
                field, f"and {kind} exclude each other: each makes the vector of the feature; keep one of them."
            )
    config = getattr(feature, kind)
    for field, example in _NEEDED[kind].items():
        if not getattr(config, field):
            yield Fault(kind, f"needs {field} other than 0, for example {field}: {example}.")
    for field in _FORMS:
        if config.HasField(field):
            yield Fault(f"{kind}.{field}", "is for blocks: a feature is one vector. Leave it out.")
    if kind == "periodic_embedding":
        yield from _of_periodic(feature)


def _of_periodic(feature: FeatureConfig) -> Iterator[Fault]:
    config = feature.periodic_embedding
    if config.embedding_dim % 2:
        yield Fault("periodic_embedding.embedding_dim", f"{config.embedding_dim} is odd: half of it are sines.")
    name = activation_name(config.linear_activation)
    if name not in BLOCK_ACTIVATIONS:
        text = f'"{config.linear_activation}" is none of {quoted(BLOCK_ACTIVATIONS)}.'
        yield Fault("periodic_embedding.linear_activation", text + did_you_mean(name, BLOCK_ACTIVATIONS))
    elif config.HasField("linear_activation") and not config.add_linear_layer:
        yield Fault(
            "periodic_embedding.linear_activation", "has no effect: add_linear_layer is false. Keep one of them."
        )
