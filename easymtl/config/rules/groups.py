"""Rules of the feature groups, and of the features that no group reads."""

from collections.abc import Iterator

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.block_graph import graph_of
from easymtl.config.modalities import FIELDS as MODAL_FIELDS
from easymtl.config.modalities import GROUPS as MODAL_GROUPS
from easymtl.config.modalities import modal_bottom
from easymtl.config.names import INPUT_GROUP
from easymtl.config.rules.review import Review, feature_name, walk
from easymtl.errors import quoted
from easymtl.protos.model_pb2 import DBMTL, SimpleMultiTask
from easymtl.protos.pipeline_pb2 import Pipeline

_GROUP_NAMES = ("model_config.feature_groups", "model_config.feature_groups.group_name")
_GROUP_REFERENCES = {
    "Tower": ("input",),
    "TaskTower": ("feature_group",),
    "PEPNet": ("domain_group", "personal_group"),
}


def check_groups(review: Review) -> None:
    """Groups have names of their own and hold features that exist, each once."""
    groups = list(review.pipeline.model_config.feature_groups)
    paths = [f"model_config.feature_groups[{index}]" for index in range(len(groups))]
    if not groups:
        text = f'has no feature_groups; {{ group_name: "{INPUT_GROUP}" feature_names: ... }} says what the model reads.'
        review.problem("model_config", text)
    review.check_unique((f"{path}.group_name", group.group_name) for path, group in zip(paths, groups))
    for path, group in zip(paths, groups):
        if not group.group_name:
            review.problem(path, "has no group_name.")
        if not group.feature_names and not group.sequence_features:
            review.problem(path, "has no feature_names.")
        _check_names(review, path, list(group.feature_names))


def check_model_groups(review: Review) -> None:
    """The groups that the model reads exist; the others are noted."""
    model = review.model()
    if model is None:
        return
    defined = [group.group_name for group in review.pipeline.model_config.feature_groups]
    references = group_references(review.pipeline)
    graph = graph_of(review.pipeline)
    # What comes out of a block graph takes the place of this group.
    known = [*defined, INPUT_GROUP] if graph and view.model_name(review.pipeline) != "model_params" else defined
    for path, name in references:
        review.check_known(path, name, known, "the feature groups", *_GROUP_NAMES)
    is_modal = bool(modal_bottom(review.pipeline))
    reads_groups = graph is not None or is_modal or any(".groups[" in path for path, _ in references)
    if not reads_groups and defined and INPUT_GROUP not in defined:
        kind = model[0].rpartition(".")[2]
        text = f'lacks the group "{INPUT_GROUP}", which {kind} reads; its groups are {quoted(defined)}.'
        review.problem("model_config.feature_groups", text, *_GROUP_NAMES)
    read = {name for _, name in references} | (set() if reads_groups else {INPUT_GROUP})
    if is_modal:
        read |= set(MODAL_GROUPS)
    if graph:
        read = (read - ({INPUT_GROUP} - set(defined))) | graph.groups_read()
    for index, name in enumerate(defined):
        if name and name not in read and read & set(defined):
            review.note(f"model_config.feature_groups[{index}]", f'"{name}" is read by nothing in the model.')


def check_tower_groups(review: Review) -> None:
    """A tower does not read the input of the model twice."""
    model = review.model()
    if model is None or not _hands_on_its_input(model[1]):
        return
    for path, tower in review.towers():
        if tower.feature_group == INPUT_GROUP:
            text = f'"{INPUT_GROUP}" is what this tower reads anyway. Name another group, or leave it out.'
            review.problem(f"{path}.feature_group", text)


def check_table_names(review: Review) -> None:
    """Tables that are not one and the same have names, and parameters, of their own."""
    owners: dict[str, str] = {}
    for path, owner, names in _tables(review):
        other = next((owners[name] for name in names if owners.get(name, owner) != owner), None)
        if other:
            review.problem(path, f"make {owner} and {other} one, as their names are alike. Rename one of them.")
        owners |= dict.fromkeys(names, owner)


def check_unused_features(review: Review) -> None:
    """A feature that nothing reads is noted."""
    used = _used_names(review)
    for path, feature in review.written_features():
        name = feature_name(feature)
        if name and name not in used:
            review.note(path, f'"{name}" is in no feature group: it is not read.')


def _tables(review: Review) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Yields, for each feature with a table in a group: a path, whose table it is, the names of table and parameter."""
    features = {feature_name(feature): feature for _, feature in review.features()}
    for index, group in enumerate(review.pipeline.model_config.feature_groups):
        path = f"model_config.feature_groups[{index}].feature_names"
        scope = f"input_layer_{index}" if index else "input_layer"
        patterns = (name for name in group.feature_names if (view.range_size(name) or 1) <= view.LONGEST_RANGE)
        for name in (name for pattern in patterns for name in view.expand_range(pattern)):
            feature = features.get(name)
            if feature is None or not feature.embedding_dim:
                continue
            if feature.embedding_name:
                shared = feature.embedding_name
                yield path, f'the shared table "{shared}"', (shared, f"input_layer/{shared}")
            else:
                owner = f'the table of "{name}" in the group "{group.group_name}"'
                yield path, owner, (f"{group.group_name}/{name}", f"{scope}/{name}_embedding")


def _hands_on_its_input(model: Message) -> bool:
    """Returns whether the towers read the features themselves, not what layers or experts make of them."""
    if isinstance(model, DBMTL):
        return not any(model.HasField(name) for name in ("bottom_dnn", "expert_dnn", *MODAL_FIELDS))
    return isinstance(model, SimpleMultiTask)


def _check_names(review: Review, path: str, patterns: list[str]) -> None:
    seen: set[str] = set()
    for index, pattern in enumerate(patterns):
        name_path = f"{path}.feature_names[{index}]"
        if not review.check_range(name_path, pattern):
            continue
        for name in view.expand_range(pattern):
            review.check_feature(name_path, name)
            if name in seen:
                review.problem(name_path, f'"{name}" is in this group already. Remove one of them.')
            seen.add(name)


def group_references(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Returns path and name of every mention of a feature group outside of the groups themselves."""
    found = []
    for path, message in walk(pipeline.model_config, "model_config"):
        fields = _GROUP_REFERENCES.get(message.DESCRIPTOR.name, ())
        found += [(f"{path}.{field}", getattr(message, field)) for field in fields if getattr(message, field)]
    return found + view.groups_of_extensions(pipeline)


def grouped_names(review: Review) -> set[str]:
    """Returns the names that groups read; those of ranges that are too long are left out."""
    patterns = [pattern for group in review.pipeline.model_config.feature_groups for pattern in group.feature_names]
    is_short = [(view.range_size(pattern) or 1) <= view.LONGEST_RANGE for pattern in patterns]
    return {name for pattern, short in zip(patterns, is_short) if short for name in view.expand_range(pattern)}


def read_names(review: Review) -> set[str]:
    """Returns the names that groups read, those of their attention over histories among them."""
    read = grouped_names(review)
    for group in review.pipeline.model_config.feature_groups:
        for _, message in walk(group):
            if message.DESCRIPTOR.name == "SeqAttMap":
                read.update([*message.key, *message.hist_seq, *message.aux_hist_seq])
    return read


def _used_names(review: Review) -> set[str]:
    spaces = [*(tower for _, tower in review.towers()), *review.pipeline.model_config.kd]
    return {message.task_space_indicator_name for message in spaces} | read_names(review)
