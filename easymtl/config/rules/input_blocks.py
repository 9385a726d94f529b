"""Rules of the blocks that read feature groups."""

from collections.abc import Iterator

from easymtl.config.block_graph import Node, graph_of
from easymtl.config.rules.review import Review
from easymtl.protos.backbone_pb2 import InputLayer
from easymtl.protos.feature_pb2 import WideOrDeep

_FORMS = (
    "only_output_feature_list",
    "only_output_3d_tensor",
    "output_2d_tensor_and_feature_list",
    "output_seq_and_normal_feature",
)
_OF_INPUTS = ("input_fn", "input_slice", "ignore_input", "reset_input", "package_input", "package_input_fn")
_OF_BLOCKS = ("extra_input_fn", "merge_inputs_into_list", "input_concat_axis")
_GROUPS = ("model_config.feature_groups", "model_config.feature_groups.group_name")


def check_input_block(review: Review, node: Node) -> None:
    """It reads one group, which exists, and does nothing that would have no effect."""
    block, path = node.block, node.path
    if len(block.inputs) > 1:
        review.problem(f"{path}.inputs[1]", f"is one too many: {node.kind} reads one feature group.")
    one = block.inputs[0]
    member = one.WhichOneof("name")
    if member != "feature_group_name":
        where = f"{path}.inputs[0]" + (f".{member}" if member else "")
        review.problem(where, f'cannot feed {node.kind}, which reads a group: feature_group_name: "...".')
    else:
        groups = [group.group_name for group in review.pipeline.model_config.feature_groups]
        where = f"{path}.inputs[0].feature_group_name"
        review.check_known(where, one.feature_group_name, groups, "the feature groups", *_GROUPS)
    for field in _OF_INPUTS:
        if one.HasField(field):
            review.problem(f"{path}.inputs[0].{field}", _no_effect(node))
    for field in _OF_BLOCKS:
        if block.HasField(field):
            review.problem(f"{path}.{field}", _no_effect(node))
    if node.kind == "embedding_layer" and not block.embedding_layer.embedding_dim:
        review.problem(f"{path}.embedding_layer", "needs embedding_dim, for example embedding_dim: 16.")


def check_input_layers(review: Review) -> None:
    """The options of input layers, `reset_input` included, go together."""
    for path, config in input_layers(review):
        chosen = [field for field in _FORMS if getattr(config, field)]
        if len(chosen) > 1:
            review.problem(f"{path}.{chosen[1]}", f"and {chosen[0]} are two forms of the result. Keep one of them.")
        if config.do_batch_norm and config.do_layer_norm:
            review.problem(f"{path}.do_layer_norm", "and do_batch_norm: a value has one norm. Keep one of them.")
        if config.output_seq_and_normal_feature:
            for field in ("do_batch_norm", "do_layer_norm", "dropout_rate", "feature_dropout_rate"):
                if getattr(config, field):
                    review.problem(f"{path}.{field}", "has no effect with output_seq_and_normal_feature. Remove it.")
            if review.pipeline.model_config.HasField("variational_dropout"):
                text = "and model_config.variational_dropout, which learns rates of features that are one vector."
                review.problem(f"{path}.output_seq_and_normal_feature", f"{text} Remove one of them.")
        elif not config.concat_seq_feature:
            text = "goes with output_seq_and_normal_feature: true alone. Remove it."
            review.problem(f"{path}.concat_seq_feature", text)


def check_wide_groups(review: Review) -> None:
    """Wide groups have a width, the same one everywhere, and a backbone that reads them."""
    groups = {group.group_name: group.wide_deep for group in review.pipeline.model_config.feature_groups}
    widths = {path: config.wide_output_dim for path, config in input_layers(review) if config.wide_output_dim}
    first = next(iter(widths), "")
    for path, width in widths.items():
        if width != widths[first]:
            text = f"is {width}, and {review.places.where(first)} has {widths[first]}: it is one for all wide groups."
            review.problem(f"{path}.wide_output_dim", text)
    has_wide = [name for name, kind in groups.items() if kind == WideOrDeep.WIDE]
    for index, group in enumerate(review.pipeline.model_config.feature_groups):
        path = f"model_config.feature_groups[{index}].wide_deep"
        if group.wide_deep == WideOrDeep.WIDE and not widths:
            text = "is WIDE, which a backbone reads by input_layer { wide_output_dim: 1 }; there is none. Write DEEP."
            review.problem(path, text, "model_config.backbone")
    if first and not has_wide:
        review.problem(f"{first}.wide_output_dim", "has no effect: no feature group is wide_deep: WIDE.")


def check_feature_dropout(review: Review) -> None:
    """Features are dropped by one rate, that which is written or that which is learnt, and only as vectors."""
    model = review.pipeline.model_config
    graph = graph_of(review.pipeline)
    nodes = [node for scope in graph.scopes for node in scope.nodes.values()] if graph else []
    raw = {node.group: node.name for node in nodes if node.kind == "raw_input"}
    for index, group in enumerate(model.feature_groups):
        path = f"model_config.feature_groups[{index}].feature_dropout_rate"
        if group.feature_dropout_rate and model.HasField("variational_dropout"):
            text = "and model_config.variational_dropout, which learns such rates. Remove one of them."
            review.problem(path, text)
        elif group.feature_dropout_rate and group.group_name in raw:
            name = raw[group.group_name]
            text = f'drops vectors, and the block "{name}" (raw_input) reads the columns themselves. Remove it, or'
            review.problem(path, f"{text} write a second group with these features for that block.")


def input_layers(review: Review) -> Iterator[tuple[str, InputLayer]]:
    """Yields path and options of every input layer of the backbone, `reset_input` included."""
    graph = graph_of(review.pipeline)
    for scope in graph.scopes if graph else ():
        for node in scope.nodes.values():
            if node.kind == "input_layer" and not node.is_implied:
                yield f"{node.path}.input_layer", node.block.input_layer
            for index, one in enumerate(node.block.inputs):
                if one.HasField("reset_input"):
                    yield f"{node.path}.inputs[{index}].reset_input", one.reset_input


def _no_effect(node: Node) -> str:
    return (
        f"has no effect in a block with {node.kind}, which hands on what it reads: "
        f'write it in a block that reads block_name: "{node.name}".'
    )
