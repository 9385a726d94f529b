"""The transform of each feature type."""

from collections.abc import Sequence

from easymtl.config import view
from easymtl.config.rules.feature_faults import feature_faults
from easymtl.errors import UserError, quoted
from easymtl.features.combo_feature import ComboFeature
from easymtl.features.expr_feature import ExprFeature
from easymtl.features.id_feature import IdFeature
from easymtl.features.lookup_feature import LookupFeature
from easymtl.features.plain_feature import PlainFeature
from easymtl.features.raw_feature import RawFeature
from easymtl.features.sequence_feature import SequenceFeature
from easymtl.features.tag_feature import TagFeature
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig

TRANSFORMS: dict[int, type[Transform]] = {
    FeatureConfig.IdFeature: IdFeature,
    FeatureConfig.RawFeature: RawFeature,
    FeatureConfig.TagFeature: TagFeature,
    FeatureConfig.ComboFeature: ComboFeature,
    FeatureConfig.ExprFeature: ExprFeature,
    FeatureConfig.LookupFeature: LookupFeature,
    FeatureConfig.SequenceFeature: SequenceFeature,
}


PLAIN = (FeatureConfig.IdFeature, FeatureConfig.RawFeature, FeatureConfig.PassThroughFeature)
"""The types of which a block can read the values as they are: one for each row."""


def make_plain(feature: FeatureConfig, input_types: Sequence[str]) -> PlainFeature:
    """Returns the transform to the values of a feature whose inputs are declared with these types, such as `FLOAT`.

    Raises:
        UserError: its type is none of `PLAIN`, or its declaration does not hold.
    """
    if feature.feature_type not in PLAIN:
        found = FeatureConfig.FeatureType.Name(feature.feature_type)
        allowed = quoted(FeatureConfig.FeatureType.Name(number) for number in PLAIN)
        raise UserError(f'feature "{view.feature_name(feature)}": {found} has no column; allowed are {allowed}.')
    for fault in feature_faults(feature, input_types):
        raise UserError(f'feature "{view.feature_name(feature)}": {fault}')
    return PlainFeature(feature, input_types[0])


def make_transform(feature: FeatureConfig, input_types: Sequence[str]) -> Transform:
    """Returns the transform of a feature whose inputs are declared with these types, such as `FLOAT`.

    Raises:
        UserError: it has no vector, or its declaration does not hold.
    """
    kind = TRANSFORMS.get(feature.feature_type)
    if kind is None:
        found = FeatureConfig.FeatureType.Name(feature.feature_type)
        allowed = quoted(FeatureConfig.FeatureType.Name(number) for number in TRANSFORMS)
        raise UserError(
            f'feature "{view.feature_name(feature)}": a {found} has no vector; allowed are {allowed}. '
            "A block with raw_input { } reads it."
        )
    for fault in feature_faults(feature, input_types):
        raise UserError(f'feature "{view.feature_name(feature)}": {fault}')
    return kind(feature)
