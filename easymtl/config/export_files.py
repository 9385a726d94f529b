"""Files that go into a SavedModel beside its graph."""

from easymtl.config.rules.feature_faults import table_sources
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_MARK = "!"


def asset_files(pipeline: Pipeline) -> list[str]:
    """Returns the paths of `export_config.asset_files`, without the `!` that EasyRec allows in front of them."""
    return [path.removeprefix(_MARK) for path in pipeline.export_config.asset_files]


def reads_vocabulary_file(feature: FeatureConfig) -> bool:
    """Returns whether a feature looks values up in its `vocab_file`, so that it is in the folder `assets` anyway."""
    return table_sources(feature)[:1] == ["vocab_file"]
