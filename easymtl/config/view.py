"""What a pipeline message says, asked for by meaning: towers, labels, features, groups, fields.

Every room reads the config through these functions, so that a rule of the dialect (the default name of a
feature, the label of a tower without `label_name`, a range in a feature group) is written once.
"""

import re
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

from easymtl.config.names import JOINT_OF_ESMM, NARY_BASES, metric_result
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

_RANGE = re.compile(r"^(?P<prefix>.*)\[(?P<first>\d{1,18})-(?P<last>\d{1,18})\](?P<suffix>.*)$")
_FUNNEL_MODELS = ("esmm", "escm2")
_FUNNEL_TOWERS = ("ctr_tower", "cvr_tower")
LONGEST_RANGE = 100_000
"""How many names a range may stand for; the check of a config refuses longer ones before they are expanded."""
LOSS_NAMES = ("loss",)
"""Results of an evaluation that are no metric and can choose the best export all the same."""


def model_name(pipeline: Pipeline) -> str:
    """Returns the member of the model oneof that is set (`"dbmtl"`), or an empty string."""
    return pipeline.model_config.WhichOneof("model") or ""


def model_message(pipeline: Pipeline) -> Message:
    """Returns the message of the model, for example a `DBMTL`."""
    return getattr(pipeline.model_config, model_name(pipeline))


def task_towers(pipeline: Pipeline) -> list[TaskTower]:
    """Returns the task towers in the order of the config; those of ESMM and ESCM2 are ctr_tower and cvr_tower."""
    model = model_message(pipeline)
    if model_name(pipeline) not in _FUNNEL_MODELS:
        return list(model.task_towers)
    return [getattr(model, name) for name in _FUNNEL_TOWERS if model.HasField(name)]


def task_tower_paths(pipeline: Pipeline) -> list[str]:
    """Returns the path of each task tower: `model_config.mmoe.task_towers[0]`."""
    path, model = f"model_config.{model_name(pipeline)}", model_message(pipeline)
    if model_name(pipeline) not in _FUNNEL_MODELS:
        return [f"{path}.task_towers[{index}]" for index in range(len(model.task_towers))]
    return [f"{path}.{name}" for name in _FUNNEL_TOWERS if model.HasField(name)]


def parents(pipeline: Pipeline) -> dict[str, str]:
    """Returns the tower that must happen first, for each that has one: `parent`, in ESMM and ESCM2 the ctr_tower."""
    towers = task_towers(pipeline)
    if model_name(pipeline) in _FUNNEL_MODELS:
        return {tower.tower_name: towers[0].tower_name for tower in towers[1:]}
    return {tower.tower_name: tower.parent for tower in towers if tower.parent}


def given_name(tower: str, parent: str) -> str:
    """Returns the name of a task where its parent happened, in predictions and metrics: `order_given_click`."""
    return f"{tower}_given_{parent}"


def result_names(pipeline: Pipeline) -> dict[str, tuple[str, ...]]:
    """Returns what stands behind the metric in reports, `auc_<name>`, by tower: first the one over all rows.

    A tower with a parent has a second one, over the rows where the parent happened. ESMM names them in its own way.
    """
    names: dict[str, tuple[str, ...]] = {tower.tower_name: (tower.tower_name,) for tower in task_towers(pipeline)}
    for tower, parent in parents(pipeline).items():
        is_esmm = model_name(pipeline) in _FUNNEL_MODELS
        names[tower] = (JOINT_OF_ESMM, f"{tower}_masked") if is_esmm else (tower, given_name(tower, parent))
    return names


def result_rows(pipeline: Pipeline) -> list[str]:
    """Returns what a table of results has a row for: the towers, and their other results, see `result_names`."""
    names = result_names(pipeline)
    return list(dict.fromkeys(name for tower, results in names.items() for name in (tower, *results)))


def chain(towers: Iterable[TaskTower]) -> dict[str, str]:
    """Returns the tower before each one in the chains of AITM, empty for the first of a chain.

    Chains follow `relation_tower_names`; without any there is one, in the order of the config.
    """
    towers = list(towers)
    if any(tower.relation_tower_names for tower in towers):
        return {tower.tower_name: "".join(tower.relation_tower_names[:1]) for tower in towers}
    names = [tower.tower_name for tower in towers]
    return dict(zip(names, ["", *names]))


def label_name(pipeline: Pipeline, index: int) -> str:
    """Returns the label field of the tower at `index`: its `label_name`, else the label field of that index."""
    tower = task_towers(pipeline)[index]
    return tower.label_name or pipeline.data_config.label_fields[index]


def label_texts(data_config: DatasetConfig, label: str) -> dict[str | None, float]:
    """Returns the number of each text of a label by `label_values`; that of all other texts under None, if any."""
    texts: dict[str | None, float] = {}
    for entry in data_config.label_values:
        if entry.label_name == label:
            texts.update(dict.fromkeys(entry.texts or [None], entry.number))
    return texts


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


def features(pipeline: Pipeline) -> list[FeatureConfig]:
    """Returns the features, from `feature_config { features }` or the older `feature_configs`."""
    return list(pipeline.feature_config.features) or list(pipeline.feature_configs)


def feature_name(feature: FeatureConfig) -> str:
    """Returns the name of a feature: `feature_name`, else its first input."""
    return feature.feature_name or feature.input_names[0]


def written_out(feature: FeatureConfig) -> list[FeatureConfig]:
    """Returns the features that a declaration stands for: itself, or one for each of its inputs and `shared_names`."""
    if not feature.shared_names:
        return [feature]
    inputs = [name for pattern in feature.shared_names for name in expand_range(pattern)]
    names = list(feature.input_names) + [name for name in inputs if name not in feature.input_names]
    written = []
    for position, name in enumerate(names):
        one = FeatureConfig()
        one.CopyFrom(feature)
        one.ClearField("shared_names")
        one.input_names[:] = [name]
        if position >= len(feature.input_names):
            one.ClearField("feature_name")
        if not feature.WhichOneof("number_embedding"):
            one.embedding_name = feature.embedding_name or feature.feature_name or names[0]
        written.append(one)
    return written


def grouped_names(pipeline: Pipeline) -> set[str]:
    """Returns the names of the features that a group reads, by itself or in its sequence_features."""
    groups = pipeline.model_config.feature_groups
    return {name for group in groups for name in [*group_feature_names(group), *attention_feature_names(group)]}


def features_in_groups(pipeline: Pipeline) -> list[FeatureConfig]:
    """Returns the features that a group reads, each once, `shared_names` written out."""
    grouped = grouped_names(pipeline)
    written = (one for feature in features(pipeline) for one in written_out(feature))
    return [one for one in written if feature_name(one) in grouped]


def is_number(feature: FeatureConfig) -> bool:
    """Returns whether a feature, or each step of a history, is made of numbers and not of ids."""
    is_history = feature.feature_type == FeatureConfig.SequenceFeature
    kind = feature.sub_feature_type if is_history else feature.feature_type
    return kind in (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)


def has_parts(feature: FeatureConfig) -> bool:
    """Returns whether a RawFeature is what its `combiner` makes of several numbers in a text, see `seq_multi_sep`."""
    is_raw = feature.feature_type == FeatureConfig.RawFeature
    return is_raw and bool(feature.seq_multi_sep) and feature.HasField("combiner")


def number_boundaries(feature: FeatureConfig) -> tuple[float, ...]:
    """Returns the borders between the buckets of numbers, those of `num_buckets` as shares of the range."""
    if not feature.boundaries and feature.num_buckets > 1 and feature.max_val > feature.min_val:
        return tuple(bucket / feature.num_buckets for bucket in range(feature.num_buckets))
    return tuple(feature.boundaries)


def num_number_rows(feature: FeatureConfig) -> int:
    """Returns the rows of the table of numbers: their buckets, or a row for each of the numbers of a value."""
    boundaries = number_boundaries(feature)
    return len(boundaries) + 1 if boundaries else max(int(feature.raw_input_dim), 1)


def further_history_names(group: FeatureGroupConfig) -> set[str]:
    """Returns the histories that a group only sums with the attention to others: `aux_hist_seq` alone."""
    maps = [one for block in group.sequence_features for one in block.seq_att_map]
    attended = {name for one in maps for name in one.hist_seq}
    return {name for one in maps for name in one.aux_hist_seq} - attended


def feature_width(feature: FeatureConfig) -> int:
    """Returns the width of the vector of a feature, or of each step of it."""
    return int(feature.embedding_dim) or max(int(feature.raw_input_dim), 1) * (number_embedding_width(feature) or 1)


def number_embedding_width(feature: FeatureConfig) -> int:
    """Returns the width of the vector that a layer makes of each number of a feature, 0 where none does."""
    kind = feature.WhichOneof("number_embedding")
    if kind is None:
        return 0
    config = getattr(feature, kind)
    if kind != "nary_dis_embedding":
        return int(config.embedding_dim)
    return int(config.embedding_dim) * int(config.num_replicas) * (len(config.carries) or len(NARY_BASES))


def group_feature_names(group: FeatureGroupConfig) -> list[str]:
    """Returns the feature names of a group in order, ranges such as `f[1-3]` expanded."""
    return [name for pattern in group.feature_names for name in expand_range(pattern)]


def attention_feature_names(group: FeatureGroupConfig) -> list[str]:
    """Returns the features that need a vector for the group's sequence_features alone, each once.

    Histories have tables of their own there; a key that is one of the group's features is read as that.
    """
    plain = set(group_feature_names(group))
    maps = [one for block in group.sequence_features for one in block.seq_att_map]
    keys = [key for one in maps for key in one.key if key not in plain]
    histories = [name for one in maps for name in [*one.hist_seq, *one.aux_hist_seq]]
    return list(dict.fromkeys([*keys, *histories]))


def range_size(pattern: str) -> int | None:
    """Returns how many names a range such as `f[1-3]` stands for, None for a plain name."""
    match = _RANGE.match(pattern)
    return int(match["last"]) - int(match["first"]) + 1 if match else None


def expand_range(pattern: str) -> Iterator[str]:
    """Yields the names that a range such as `f[1-3]` stands for, or the plain name."""
    match = _RANGE.match(pattern)
    if not match:
        yield pattern
        return
    for number in range(int(match["first"]), int(match["last"]) + 1):
        yield f"{match['prefix']}{number}{match['suffix']}"


def input_field_names(data_config: DatasetConfig, field: DatasetConfig.Field) -> list[str]:
    """Returns the names that an entry of input_fields declares: one, or a range when those are expanded."""
    return list(expand_range(field.input_name)) if data_config.auto_expand_input_fields else [field.input_name]


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


def metric_results(pipeline: Pipeline) -> dict[str, str]:
    """Returns the names of all metrics in reports, tower by tower, each with its metric: `auc_ctr` is an `auc`."""
    names = result_names(pipeline)
    return {
        result: metric
        for tower in task_towers(pipeline)
        for name in names[tower.tower_name]
        for result, metric in results_of_tower(tower, name).items()
    }


def results_of_tower(tower: TaskTower, name: str = "") -> dict[str, str]:
    """Returns the names of a tower's metrics in reports, each with its metric.

    Args:
        tower: the tower.
        name: what stands behind the metric if not the tower's own name, see `result_names`.
    """
    metrics = ((str(entry.WhichOneof("metric")), entry.weighted) for entry in tower.metrics_set)
    return {metric_result(metric, name or tower.tower_name, weighted): metric for metric, weighted in metrics}


def results_of_metric(pipeline: Pipeline, name: str) -> list[str]:
    """Returns the results that a name stands for, empty when there is none.

    A full name (`auc_ctr`) is itself; a bare one (`auc`, `weighted_auc`) is the mean over the towers that have it, of
    a tower with a parent over all rows.
    """
    results = metric_results(pipeline)
    firsts = [names[0] for names in result_names(pipeline).values()]
    return [name] if name in results else [full for first in firsts if (full := f"{name}_{first}") in results]
