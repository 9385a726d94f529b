"""How the values of a feature of TorchEasyRec become ids, or stay numbers."""

from easymtl.convert.inputs import Inputs
from easymtl.convert.normalizers import function_of, set_normalizer
from easymtl.convert.source import Node
from easymtl.convert.tables import has_table, is_growing, num_encoded_rows, set_rows, set_table
from easymtl.protos.feature_pb2 import FeatureConfig

_ALWAYS_IDS = ("IdFeature", "ComboFeature", "BoolMaskFeature")
_SEVERAL_BUCKETS = "several numbers have no buckets here: write them as one column each."


def convert_values(node: Node, message: FeatureConfig, inputs: Inputs, is_sequence: bool) -> bool:
    """Fills a feature whose inputs are known, as one of ids or of numbers; returns whether it could.

    Args:
        node: the feature there; what becomes of its fields is written into its report.
        message: the feature here.
        inputs: the columns.
        is_sequence: whether it is a history.
    """
    is_id = node.name in _ALWAYS_IDS or has_table(node) or node.has("boundaries")
    return (_ids if is_id else _numbers)(node, message, inputs, is_sequence)


def _ids(node: Node, message: FeatureConfig, inputs: Inputs, is_sequence: bool) -> bool:
    """Fills a feature whose values find a row of a table; returns whether it could."""
    set_table(node, message)
    if not inputs.are_encoded and node.has("boundaries"):
        return _buckets(node, message, inputs)
    is_single = _is_single(node, message, inputs)
    message.feature_type = FeatureConfig.IdFeature if is_single else FeatureConfig.TagFeature
    if inputs.are_encoded and not is_growing(node):
        message.num_buckets = num_encoded_rows(node)
        if not message.num_buckets:
            text = "nothing in the config tells the rows of its table: set num_buckets for its encoded values."
            node.left_out("", text)
            return False
    elif inputs.crosses(node, is_sequence):
        _combination(node, message, inputs)
        return True
    elif not set_rows(node, message):
        node.left_out("", "it says nowhere how a value finds its row: set hash_bucket_size.")
        return False
    if not is_single:
        message.separator = inputs.separator(node)
    if node.take("weighted"):
        message.kv_separator = ":"
    return True


def _is_single(node: Node, message: FeatureConfig, inputs: Inputs) -> bool:
    """Returns whether each row holds one value: said by `value_dim`, or by the type of the column."""
    if node.take("weighted"):
        return False
    kinds = {inputs.declared_type(name) for name in message.input_names}
    return node.take("value_dim") == 1 or kinds <= {"INT32", "INT64", "FLOAT", "DOUBLE"}


def _buckets(node: Node, message: FeatureConfig, inputs: Inputs) -> bool:
    """Fills a number that boundaries turn into the row of a table; returns whether it could."""
    if (node.take("value_dim") or 1) > 1:
        node.left_out("boundaries", _SEVERAL_BUCKETS)
        return False
    message.feature_type = FeatureConfig.RawFeature
    message.boundaries.extend(_written(node, "boundaries"))
    _normalize(node, message, inputs)
    return True


def _written(node: Node, field: str) -> list[float]:
    """Returns 32-bit floats as the decimals that were written: 0.1, not 0.100000001."""
    return [float(f"{number:.7g}") for number in node.values(field)]


def _numbers(node: Node, message: FeatureConfig, inputs: Inputs, is_sequence: bool) -> bool:
    """Fills a feature that is one or more numbers; returns whether it could."""
    message.feature_type = FeatureConfig.RawFeature
    size = node.take("value_dim") or 1
    if size > 1:
        message.raw_input_dim = size
        message.separator = inputs.separator(node)
    width = node.take("embedding_dim") or 0
    kind = node.chosen("dense_emb")
    if kind is not None and kind.name == "AutoDisEmbedding" and not is_sequence:
        _soft_buckets(kind, width, message)
    elif kind is not None:
        message.embedding_dim = width
        if kind.name == "AutoDisEmbedding":
            kind.changed("", "in a history the number times a trained vector takes the place of AutoDis.")
            kind.mark_all()
    elif width:
        text = "without boundaries, autodis or mlp the number is the feature, and has no vector; as there."
        node.not_needed("embedding_dim", text)
    node.mark("pooling", "init_fn", "embedding_name", "data_type")
    _normalize(node, message, inputs)
    return True


def _soft_buckets(kind: Node, width: int, message: FeatureConfig) -> None:
    ours = message.auto_dis_embedding
    ours.embedding_dim, ours.num_bins = width, kind.take("num_channels")
    for field in ("temperature", "keep_prob"):
        setattr(ours, field, float(f"{kind.take(field):.7g}"))
    kind.changed("", "the slope below 0 of its leaky ReLU is 0.2 here and 0.01 there.")


def _normalize(node: Node, message: FeatureConfig, inputs: Inputs) -> None:
    if node.name == "ExprFeature" and inputs.is_formula_of_one(node):
        message.normalizer_fn = function_of(inputs.formula(node))
    elif node.name == "RawFeature" and inputs.are_raw:
        set_normalizer(node, message)
    elif node.has("normalizer"):
        node.not_needed("normalizer", "the column holds what comes out of it.")


def _combination(node: Node, message: FeatureConfig, inputs: Inputs) -> None:
    message.feature_type = FeatureConfig.ComboFeature
    if not set_rows(node, message):
        node.left_out("", "it says nowhere how a value finds its row: hash_bucket_size: 100000 is used.")
    if not message.hash_bucket_size and not message.HasField("growing"):
        words = len(message.vocab_list)
        message.ClearField("vocab_list")
        message.ClearField("vocab_file")
        message.hash_bucket_size = max(10 * words, 100) if words else 100000
        field = next((name for name in ("vocab_list", "vocab_dict", "vocab_file") if node.has(name)), "")
        text = f"combinations are hashed here: hash_bucket_size: {message.hash_bucket_size} takes its place."
        node.changed(field, text)
    if node.take("value_dim") != 1 or not node.has("value_dim"):
        message.combo_input_seps.extend([inputs.separator(node)] * len(message.input_names))
