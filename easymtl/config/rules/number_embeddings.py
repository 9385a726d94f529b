"""What is wrong with a layer that makes vectors of the numbers of one feature."""

from collections.abc import Iterator

from easymtl.config.fault import Fault
from easymtl.config.number_embeddings import parameter_faults
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_NUMBERS = (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)
_INSTEAD = ("embedding_dim", "boundaries", "num_buckets", "embedding_name")
_FORMS = ("output_3d_tensor", "output_tensor_list")


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
    for path, text, _ in parameter_faults(config):
        end = "" if text.endswith((".", "?")) else "."
        yield Fault(f"{kind}.{path}", f"is {text}{end}") if path else Fault(kind, f"{text}{end}")
    for field in _FORMS:
        if config.HasField(field):
            yield Fault(f"{kind}.{field}", "is for blocks: a feature is one vector. Leave it out.")
