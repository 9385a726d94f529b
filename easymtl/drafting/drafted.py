"""What is drafted of one column: its field, its features, and what people are told of them."""

from dataclasses import dataclass, field

from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig


@dataclass
class Drafted:
    """The draft of a column.

    Attributes:
        field: how the column is read.
        features: what is made of it.
        reason: why so, for a comment.
        num_ids: rows of its table that are in use; 0 for numbers.
        notes: what was guessed.
    """

    field: DatasetConfig.Field
    features: list[FeatureConfig]
    reason: str
    num_ids: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its column."""
        return self.field.input_name


def field_of(name: str, kind: str, default: str | None = None) -> DatasetConfig.Field:
    """Returns a field of a type such as `INT32`."""
    one = DatasetConfig.Field(input_name=name)
    if kind != "STRING":
        one.input_type = DatasetConfig.FieldType.Value(kind)
    if default is not None:
        one.default_val = default
    return one


def feature_of(name: str, kind: str, **values) -> FeatureConfig:
    """Returns a feature of a type such as `IdFeature` that reads one column."""
    return FeatureConfig(input_names=[name], feature_type=FeatureConfig.FeatureType.Value(kind), **values)
