"""What is wrong with a table that grows."""

from collections.abc import Iterator

from easymtl.config import view
from easymtl.config.fault import Fault
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_GROWS = (
    FeatureConfig.IdFeature,
    FeatureConfig.TagFeature,
    FeatureConfig.ComboFeature,
    FeatureConfig.SequenceFeature,
)
_FIXED = ("hash_bucket_size", "vocab_list", "vocab_file", "num_buckets")
_MOST_ROWS = 2**31 - 2


def growing_faults(feature: FeatureConfig) -> Iterator[Fault]:
    """Yields what is wrong with `growing`, or with `ev_params`, which says the same in EasyRec's words."""
    growing = view.growing_of(feature)
    if growing is None:
        return
    said = "growing" if feature.HasField("growing") else "ev_params"
    if feature.feature_type not in _GROWS or (view.is_number(feature)):
        kind = FeatureConfig.FeatureType.Name(feature.feature_type)
        of_numbers = " of numbers" if feature.feature_type == FeatureConfig.SequenceFeature else ""
        allowed = ", ".join(FeatureConfig.FeatureType.Name(number) for number in _GROWS[:-1])
        text = (
            f"is for tables of ids, and this is a {kind}{of_numbers}; {allowed} and SequenceFeatures of ids have them."
        )
        yield Fault(said, text)
    if feature.HasField("growing") and feature.HasField("ev_params"):
        yield Fault("ev_params", "and growing say the same; keep growing.")
    fixed = [name for name in _FIXED if getattr(feature, name)]
    if feature.HasField("growing") and fixed:
        yield Fault(
            "growing",
            f"and {' and '.join(fixed)} exclude each other: a row is an id's own, or that of a hash or place. "
            "Keep one.",
        )
    if not 0 < growing.max_rows <= _MOST_ROWS:
        field = "growing.max_rows" if said == "growing" else "ev_params.max_capacity"
        yield Fault(said, f"needs {field.rpartition('.')[2]}, the most ids that have rows, up to {_MOST_ROWS:,}.")
    if growing.expire_after_steps and growing.expire_after_days:
        yield Fault("growing", f"has {quoted(('expire_after_steps', 'expire_after_days'))}; keep one of them.")
