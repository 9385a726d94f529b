"""Which files and fields of the data a config reads."""

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

from easymtl.config.view.extension import fields_of_extensions
from easymtl.config.view.feature import feature_name, features, written_out
from easymtl.config.view.group import grouped_names
from easymtl.config.view.ranges import LONGEST_RANGE, expand_range, range_size
from easymtl.config.view.tower import label_name, task_tower_paths, task_towers
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline


def input_field_names(data_config: DatasetConfig, field: DatasetConfig.Field) -> list[str]:
    """Returns the names that an entry of input_fields declares: one, or a range when those are expanded."""
    return list(expand_range(field.input_name)) if data_config.auto_expand_input_fields else [field.input_name]


def indicator_field(pipeline: Pipeline, name: str) -> str:
    """Returns the field that `task_space_indicator_name` stands for: the first of a feature, else the field itself.

    Empty when there is neither.
    """
    for feature in features(pipeline):
        if (feature.feature_name or feature.input_names) and feature_name(feature) == name:
            return "".join(feature.input_names[:1])
    declared = (field for entry in pipeline.data_config.input_fields for field in _declared(pipeline, entry))
    return name if name in declared else ""


def _declared(pipeline: Pipeline, entry: DatasetConfig.Field) -> Iterable[str]:
    is_short = (range_size(entry.input_name) or 1) <= LONGEST_RANGE
    return input_field_names(pipeline.data_config, entry) if is_short else ()


def constant_fields(pipeline: Pipeline) -> set[str]:
    """Returns the fields that have a `serving_value`."""
    declared = (field for field in pipeline.data_config.input_fields if field.HasField("serving_value"))
    return {name for field in declared for name in _declared(pipeline, field)}


def scored_fields(pipeline: Pipeline) -> list[str]:
    """Returns the used fields that rows have to have where they are evaluated.

    Those with a `serving_value` are left out, unless something else than features reads them.
    """
    served = constant_fields(pipeline)
    others = {name for name, _ in _task_readers(pipeline)}
    return [name for name in used_fields(pipeline) if name not in served or name in others]


def used_fields(pipeline: Pipeline) -> dict[str, str]:
    """Returns the input fields that something reads, each with the path of its first reader.

    Features in no group are left out; so are columns that are only declared.
    """
    readers = [*_feature_readers(pipeline), *_task_readers(pipeline)]
    if pipeline.data_config.sample_weight:
        readers.append((pipeline.data_config.sample_weight, "data_config.sample_weight"))
    used: dict[str, str] = {}
    for field, path in readers:
        used.setdefault(field, path)
    return used


def _feature_readers(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    base = "feature_config.features" if pipeline.feature_config.features else "feature_configs"
    grouped = grouped_names(pipeline)
    for index, feature in enumerate(features(pipeline)):
        for one in written_out(feature):
            if feature_name(one) in grouped:
                yield from ((name, _path_of_input(feature, name, f"{base}[{index}]")) for name in one.input_names)


def _path_of_input(feature: FeatureConfig, name: str, path: str) -> str:
    names = list(feature.input_names)
    return f"{path}.input_names[{names.index(name)}]" if name in names else f"{path}.shared_names"


def _task_readers(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    for index, (path, tower) in enumerate(zip(task_tower_paths(pipeline), task_towers(pipeline))):
        yield label_name(pipeline, index), f"{path}.label_name"
        if tower.task_space_indicator_label:
            yield tower.task_space_indicator_label, f"{path}.task_space_indicator_label"
        if tower.task_space_indicator_name:
            name = f"{path}.task_space_indicator_name"
            yield indicator_field(pipeline, tower.task_space_indicator_name), name
        for i, weight in enumerate(tower.sample_weights):
            if weight.column or weight.label:
                yield weight.column or weight.label, f"{path}.sample_weights[{i}]"
        for i, entry in enumerate(tower.metrics_set):
            key = entry.gauc.uid_field or entry.session_auc.session_id_field
            if key:
                yield key, f"{path}.metrics_set[{i}]"
        for i, loss in enumerate(tower.losses):
            yield from _session(loss, f"{path}.losses[{i}]")
    yield from fields_of_extensions(pipeline)
    for index, kd in enumerate(pipeline.model_config.kd):
        path = f"model_config.kd[{index}]"
        yield kd.soft_label_name, f"{path}.soft_label_name"
        if kd.task_space_indicator_name:
            yield indicator_field(pipeline, kd.task_space_indicator_name), f"{path}.task_space_indicator_name"
        yield from _session(kd, path)


def _session(loss: Message, path: str) -> Iterator[tuple[str, str]]:
    """Yields the field that tells sessions apart for a loss, if there is one."""
    member = loss.WhichOneof("loss_param")
    session = getattr(getattr(loss, member), "session_name", "") if member else ""
    if session:
        yield session, f"{path}.{member}.session_name"


def train_input(pipeline: Pipeline) -> str:
    """Returns the training input: a comma list of paths, globs or folders; empty where rows are made up."""
    return "" if _is_made_up(pipeline) else pipeline.train_input_path or pipeline.parquet_train_input


def eval_input(pipeline: Pipeline) -> str:
    """Returns the evaluation input, like `train_input`; empty where there is none."""
    return "" if _is_made_up(pipeline) else pipeline.eval_input_path or pipeline.parquet_eval_input


def _is_made_up(pipeline: Pipeline) -> bool:
    return pipeline.data_config.input_type == DatasetConfig.DummyInput
