"""The feature groups as the layers read them: those of the config, and what block graphs read of them in other ways.

A package has tables of its own for the groups that its blocks read. An embedding layer has one table for all features
of a group. A raw input reads columns that have no tables. A group that is read in none of these ways has none either.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from easymtl.config import view
from easymtl.config.block_graph import MAIN, Graph, Node, Scope, graph_of
from easymtl.config.modalities import GROUPS as MODAL_GROUPS
from easymtl.config.modalities import TEXT, modal_bottom
from easymtl.config.names import INPUT_GROUP
from easymtl.config.rules.groups import group_references
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig, Initializer, WideOrDeep
from easymtl.protos.pipeline_pb2 import Pipeline

_SPREAD = 0.05


@dataclass(frozen=True)
class InputGroup:
    """A group of features, read in one way.

    Attributes:
        name: what models ask for it by: that of the group in most cases.
        config: its features and their attention.
        scope: what the parameters of its tables begin with: `input_layer`, `input_layer_1`, ...
        has_steps: whether its histories are read step by step.
        joins_steps: whether they are read side by side, so that they have equal lengths.
        is_plain: whether its columns are read as they are, without embeddings.
        table: the parameter that all its tables are one of; empty where each is one of its own.
        changes: what its features have in place of what they declare.
    """

    name: str
    config: FeatureGroupConfig
    scope: str
    has_steps: bool = False
    joins_steps: bool = False
    is_plain: bool = False
    table: str = ""
    changes: FeatureConfig = field(default_factory=FeatureConfig)

    @property
    def is_changed(self) -> bool:
        """Returns whether its features are not those that the config declares."""
        return self.is_plain or bool(self.changes.ListFields())

    def feature(self, declared: FeatureConfig) -> FeatureConfig:
        """Returns a feature as the group has it; one that is changed has a name of its own."""
        if not self.is_changed:
            return declared
        feature = FeatureConfig()
        feature.CopyFrom(declared)
        feature.ClearField("embedding_name")
        feature.MergeFrom(self.changes)
        feature.feature_name = f"{self.name}/{view.feature_name(declared)}"
        return feature

    def plain_name(self, feature: str) -> str:
        """Returns the name that the config gives a feature of the group."""
        return feature.removeprefix(f"{self.name}/") if self.is_changed else feature


def input_groups(pipeline: Pipeline) -> list[InputGroup]:
    """Returns the groups as the layers read them, those of the config first and in its order."""
    declared = {group.group_name: group for group in pipeline.model_config.feature_groups}
    graph = graph_of(pipeline)
    if modal_bottom(pipeline):
        return _of_modalities(declared)
    if graph is None or graph.faults:
        return [InputGroup(name, group, _scope(index)) for index, (name, group) in enumerate(declared.items())]
    return list(_Groups(pipeline, graph, declared).groups())


def groups_of_vectors(pipeline: Pipeline) -> set[str]:
    """Returns the groups of a config that are read as one vector by what is no block.

    What blocks read is checked when their shapes are walked.
    """
    declared = {group.group_name for group in pipeline.model_config.feature_groups}
    if modal_bottom(pipeline):
        return declared - {TEXT}
    return declared if graph_of(pipeline) is None else declared & set(_outside_of_graph(pipeline))


def _of_modalities(declared: dict[str, FeatureGroupConfig]) -> list[InputGroup]:
    """Returns the groups of a network over images and texts, numbered as EasyRec makes their inputs."""
    first = [name for name in MODAL_GROUPS if name in declared and name != TEXT]
    order = [*first, *(name for name in declared if name not in first)]
    scopes = {name: _scope(index) for index, name in enumerate(order)}
    return [InputGroup(name, group, scopes[name], has_steps=name == TEXT) for name, group in declared.items()]


def _outside_of_graph(pipeline: Pipeline) -> list[str]:
    """Returns the groups that towers and architectures name, but for the one that the graph takes the place of."""
    replaced = "" if view.model_name(pipeline) == "model_params" else INPUT_GROUP
    return [name for _, name in group_references(pipeline) if name != replaced]


def columns_group(group: str) -> str:
    """Returns the name of a group's columns as they are."""
    return f"{group}/columns"


def group_read(scope: Scope, node: Node) -> str:
    """Returns the name of the input group that a block reads."""
    if node.kind == "raw_input":
        return columns_group(node.group)
    if node.kind == "embedding_layer":
        return _block_path(scope, node)
    return node.group if scope.outer is None else f"{scope.name}/{node.group}"


def _block_path(scope: Scope, node: Node) -> str:
    return f"{MAIN}/{node.name}" if scope.outer is None else f"{MAIN}/{scope.name}/{node.name}"


def _scope(index: int) -> str:
    return f"input_layer_{index}" if index else "input_layer"


class _Groups:
    """The reads of a graph, sorted."""

    def __init__(self, pipeline: Pipeline, graph: Graph, declared: dict[str, FeatureGroupConfig]):
        self.pipeline, self.graph, self.declared = pipeline, graph, declared
        self.reads = list(graph.reading_order())
        self.with_steps = _with_steps(graph)
        self.others = [name for name in _outside_of_graph(pipeline) if name in declared]
        usual = [group_read(scope, node) for scope, node in self.reads if node.kind == "input_layer"]
        # A group without tables takes a number too.
        self.scopes = {name: _scope(index) for index, name in enumerate(dict.fromkeys([*usual, *self.others]))}

    def groups(self) -> Iterator[InputGroup]:
        """Yields each read once: groups of the config in its order, then those of packages and of other kinds."""
        reads: dict[str, tuple[Scope, Node]] = {}
        for read in self.reads:
            reads.setdefault(group_read(*read), read)
        for name in self.declared:
            if name in reads or name in self.others:
                yield self._usual(name, name, self.declared[name])
        for name, (scope, node) in reads.items():
            config = self.declared[node.group]
            if node.kind == "raw_input":
                yield InputGroup(name, _without_attention(config), name, is_plain=True)
            elif node.kind == "embedding_layer":
                yield self._one_table(name, node, config)
            elif scope.outer is not None:
                yield self._usual(name, node.group, _renamed_attention(scope.name, config))

    def _usual(self, name: str, group: str, config: FeatureGroupConfig) -> InputGroup:
        changes = FeatureConfig()
        if config.wide_deep == WideOrDeep.WIDE:
            changes = FeatureConfig(embedding_dim=self._wide_width(), combiner="sum")
        has_steps, joins_steps = name in self.with_steps, self.with_steps.get(name, False)
        return InputGroup(name, config, self.scopes[name], has_steps, joins_steps, changes=changes)

    def _wide_width(self) -> int:
        nodes = (node for scope in self.graph.scopes for node in scope.nodes.values())
        return max((node.block.input_layer.wide_output_dim for node in nodes), default=0)

    def _one_table(self, name: str, node: Node, config: FeatureGroupConfig) -> InputGroup:
        options = node.block.embedding_layer
        combiner = "mean" if options.combiner == "weight" else options.combiner
        initializer = Initializer()
        initializer.random_uniform_initializer.minval = -_SPREAD
        initializer.random_uniform_initializer.maxval = _SPREAD
        changes = FeatureConfig(embedding_dim=options.embedding_dim, combiner=combiner, initializer=initializer)
        table = f"{name}/embedding/embeddings"
        return InputGroup(name, _without_attention(config), name, table=table, changes=changes)


def _with_steps(graph: Graph) -> dict[str, bool]:
    """Returns the input groups whose histories are read step by step, each with whether they are joined."""
    found: dict[str, bool] = {}
    for scope in graph.scopes:
        resets = graph.resets(scope.name)
        for node in (node for node in scope.nodes.values() if node.kind == "input_layer"):
            forms = [form for form in [node.block.input_layer, *resets] if form.output_seq_and_normal_feature]
            if forms:
                name = group_read(scope, node)
                found[name] = found.get(name, False) or any(form.concat_seq_feature for form in forms)
    return found


def _without_attention(config: FeatureGroupConfig) -> FeatureGroupConfig:
    result = FeatureGroupConfig()
    result.CopyFrom(config)
    result.ClearField("sequence_features")
    return result


def _renamed_attention(package: str, config: FeatureGroupConfig) -> FeatureGroupConfig:
    """Returns a group whose attention has weights of its own in a package."""
    result = FeatureGroupConfig()
    result.CopyFrom(config)
    for block in result.sequence_features:
        block.group_name = f"{package}/{block.group_name}"
    return result
