"""`convert`: the text of a config of TorchEasyRec -> a config of ours, its text, and a report."""

import re
from dataclasses import dataclass

from easymtl.config.parser import Parser
from easymtl.config.problems import ConfigError, Findings, Places
from easymtl.config.validate import validate
from easymtl.convert.columns import Columns
from easymtl.convert.data import convert_data, convert_paths
from easymtl.convert.features import Feature, convert_features
from easymtl.convert.groups import Groups, convert_groups, share_tables
from easymtl.convert.inputs import Inputs
from easymtl.convert.layout import config_text
from easymtl.convert.models import convert_model, find_model, groups_read_by
from easymtl.convert.report import Report
from easymtl.convert.source import read_source
from easymtl.convert.towers import Tasks
from easymtl.convert.training import convert_evaluation, convert_export, convert_training
from easymtl.convert.unread import report_unread
from easymtl.errors import UserError
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline


@dataclass(frozen=True)
class Conversion:
    """A converted config.

    Attributes:
        pipeline: the config.
        text: the same as the text of a file.
        report: what changed its meaning, was left out, guessed, or is not needed.
    """

    pipeline: Pipeline
    text: str
    report: Report

    def check(self, path: str) -> list[str]:
        """Returns the notes of `easymtl check` on the text, as far as no data is needed.

        Args:
            path: how messages name the text.

        Raises:
            ConfigError: this version refuses something in it.
        """
        findings, pipeline = Findings(Places(path)), Pipeline()
        Parser(self.text, findings).parse(pipeline)
        checked = validate(pipeline, findings)
        if checked.problems:
            raise ConfigError(path, checked.problems)
        return [str(note) for note in [*findings.ignored.values(), *checked.notes]]


def convert(text: str, path: str) -> Conversion:
    """Converts a config.

    Args:
        text: its text, in TorchEasyRec's dialect.
        path: how messages and the report name it.

    Raises:
        ConfigError: the text is no config of TorchEasyRec.
        UserError: its model is none of ours, or it says nothing of its data.
    """
    source = read_source(text, path)
    model_config, data = source.node("model_config"), source.node("data_config")
    name, model = find_model(model_config, path)
    assert model_config is not None
    if data is None:
        raise UserError(f"{path}: there is no data_config, which says what the columns are and which are labels.")
    pipeline = Pipeline()
    convert_paths(source, pipeline)
    convert_training(source, pipeline)
    columns = Columns(data)
    for label in data.values("label_fields"):
        columns.want(label, "INT32")
    features = convert_features(source.nodes("feature_configs"), Inputs(data, columns), columns)
    groups = convert_groups(model_config, features, name, groups_read_by(name, model_config))
    share_tables(features, groups)
    _fill_features(pipeline, features, groups)
    convert_data(data, columns, pipeline.data_config)
    batch_size = data.take("eval_batch_size") or data.take("batch_size")
    convert_evaluation(source, pipeline, batch_size)
    convert_model(name, model, model_config, groups, Tasks(features, columns), pipeline)
    convert_export(source, pipeline)
    columns.fill(pipeline.data_config)
    _freeze(pipeline, features, groups)
    report_unread(source)
    header = f"Converted from {path}, a config of TorchEasyRec, by easymtl convert."
    return Conversion(pipeline, config_text(pipeline, header), source.report)


def _fill_features(pipeline: Pipeline, features: dict[str, Feature], groups: Groups) -> None:
    only_pooled = {pooled.history for pooled in groups.pooled} - groups.read
    for feature in features.values():
        if feature.message is not None and feature.name not in only_pooled:
            pipeline.feature_config.features.append(feature.message)
    pipeline.feature_config.features.extend(pooled.message for pooled in groups.pooled)


def _has_rows(message: FeatureConfig) -> bool:
    """Returns whether a feature looks vectors up; those of numbers are trained whatever `trainable` says."""
    return bool(message.embedding_dim) and (
        message.feature_type != FeatureConfig.RawFeature or bool(message.boundaries)
    )


def _freeze(pipeline: Pipeline, features: dict[str, Feature], groups: Groups) -> None:
    """Keeps tables that are not trained from moving, by the names of their parameters."""
    tables: list[str] = []
    for feature in features.values():
        if feature.is_trainable or feature.message is None:
            continue
        read = [feature.message] if feature.name in groups.read else []
        read += [pooled.message for pooled in groups.pooled if pooled.history == feature.name]
        tables += [one.embedding_name or f"{one.feature_name}_embedding" for one in read if _has_rows(one)]
    patterns = [f"/{re.escape(table)}/embedding_weights$" for table in dict.fromkeys(tables)]
    pipeline.train_config.freeze_gradient.extend(patterns)
