"""`feature_configs` of TorchEasyRec become features, and say which columns they read."""

from collections.abc import Iterator
from dataclasses import dataclass

from easymtl.convert.columns import Columns
from easymtl.convert.feature_values import convert_values
from easymtl.convert.inputs import Inputs
from easymtl.convert.report import Kind
from easymtl.convert.source import Node
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_TOKENS = "the rows of its table are known to its tokenizer alone: write the tokens' numbers as a column and read it."
_PREFIX = "sequence_"


@dataclass
class Feature:
    """A feature of TorchEasyRec and what became of it.

    Attributes:
        name: its name, which groups list.
        node: its message.
        message: the feature here; None when it is left out.
        is_sequence: whether it is a history.
        steps: of a history, what separates its steps.
        is_trainable: whether its table is trained.
    """

    name: str
    node: Node
    message: FeatureConfig | None
    is_sequence: bool = False
    steps: str = ""
    is_trainable: bool = True

    @property
    def width(self) -> int:
        """Width of its vector, or of each step's."""
        if self.message is None:
            return 0
        return int(
            self.message.embedding_dim or self.message.auto_dis_embedding.embedding_dim or self.message.raw_input_dim
        )


def convert_features(configs: list[Node], inputs: Inputs, columns: Columns) -> dict[str, Feature]:
    """Returns the features by name, in the order of the config; those that cannot be converted are left out."""
    features: dict[str, Feature] = {}
    for node, sequence in _all(configs):
        feature = _convert(node, sequence, inputs, columns)
        if feature.name in features:
            text = (
                f"another feature has this name (line {features[feature.name].node.line()}): the last of them counts."
            )
            node.changed("feature_name", text)
        features[feature.name] = feature
    _remark_on_lists(features, inputs)
    return features


def _remark_on_lists(features: dict[str, Feature], inputs: Inputs) -> None:
    """Says which features may hold several values in a row only because nothing says that they hold one."""
    found = [feature for feature in features.values() if _is_list_by_default(feature, inputs)]
    if found:
        text = (
            f"{quoted((feature.name for feature in found), 8)} may hold several values in a row, as value_dim is not "
        )
        text += "set, so that they are TagFeatures. With value_dim: 1 they become IdFeatures, which are faster."
        found[0].node.report.add(Kind.GUESSED, 0, "feature_configs", text)


def _is_list_by_default(feature: Feature, inputs: Inputs) -> bool:
    message, node = feature.message, feature.node
    if message is None or message.feature_type != FeatureConfig.TagFeature:
        return False
    is_said = any(node.has(field) for field in ("separator", "weighted", "value_dim", "pooling"))
    return not is_said and not inputs.declared_type(message.input_names[0]).startswith(("ARRAY", "MAP"))


def _all(configs: list[Node]) -> Iterator[tuple[Node, Node | None]]:
    """Yields each feature, with the group of histories that it is part of."""
    for config in configs:
        node = config.chosen("feature")
        if node is None:
            config.left_out("", "it names no feature.")
        elif node.name == "SequenceFeature":
            for part in node.nodes("features"):
                inner = part.chosen("feature")
                if inner is not None:
                    yield inner, node
                else:
                    part.left_out("", "it names no feature.")
            _sequence_key(node)
        else:
            yield node, None


def _sequence_key(node: Node) -> None:
    node.mark("sequence_name", "sequence_length", "sequence_delim")
    if node.has("sequence_pk"):
        text = "a server is sent the histories themselves: nothing looks up the items of a list of keys."
        node.not_needed("sequence_pk", text)


def _convert(node: Node, sequence: Node | None, inputs: Inputs, columns: Columns) -> Feature:
    prefix = f"{sequence.take('sequence_name')}__" if sequence is not None else ""
    name = prefix + node.take("feature_name")
    node.is_about(name)
    is_sequence = sequence is not None or _member(node).startswith(_PREFIX)
    feature = Feature(name, node, None, is_sequence)
    reason = _reason_to_leave_out(node)
    if reason:
        node.left_out("", reason)
        node.mark_all()
        return feature
    message = FeatureConfig(feature_name=name)
    message.input_names.extend(inputs.names(node, name, prefix, is_sequence))
    if not convert_values(node, message, inputs, is_sequence):
        node.mark_all()
        return feature
    feature.message = message
    if is_sequence:
        _history(node, feature, sequence)
    _declare_columns(feature, inputs, columns)
    _rest(feature)
    return feature


def _member(node: Node) -> str:
    """Returns the name that a feature has in its oneof, such as `sequence_id_feature`."""
    return node.path.rpartition(".")[2]


def _reason_to_leave_out(node: Node) -> str:
    if node.name == "TokenizeFeature":
        return _TOKENS
    if node.has("stub_type") and node.take("stub_type"):
        return "as a stub_type it is an input of other features only: they read a column instead."
    return ""


def _history(node: Node, feature: Feature, sequence: Node | None) -> None:
    """Turns a feature into one of each step of a history."""
    message = feature.message
    assert message is not None
    is_number = message.feature_type == FeatureConfig.RawFeature
    several = message.separator if message.HasField("separator") else ""
    owner = sequence if sequence is not None else node
    message.feature_type = FeatureConfig.SequenceFeature
    message.sub_feature_type = FeatureConfig.RawFeature if is_number else FeatureConfig.IdFeature
    message.separator = feature.steps = owner.take("sequence_delim")
    if not is_number:
        # With a separator inside of steps an empty text is a history without steps, as it is there.
        message.seq_multi_sep = several or "\x1d"
    elif several:
        message.seq_multi_sep = several
    if message.kv_separator:
        message.ClearField("kv_separator")
        node.left_out("weighted", "the items of a history have no weights.")
    length = owner.take("sequence_length")
    if length:
        message.max_seq_len = length
    for field in ("normalizer_fn", "min_val", "max_val"):
        if message.HasField(field):
            message.ClearField(field)
            node.left_out("normalizer", "numbers of a history stay as they are: compute it when the data is written.")


def _declare_columns(feature: Feature, inputs: Inputs, columns: Columns) -> None:
    message, node = feature.message, feature.node
    assert message is not None
    is_number = message.feature_type == FeatureConfig.RawFeature
    is_text = message.raw_input_dim > 1 or feature.is_sequence
    for name in message.input_names:
        columns.want(name, "DOUBLE" if is_number and not is_text else "STRING", needs_text=is_text)
    field = "fg_encoded_default_value" if inputs.are_encoded else "default_value"
    default = node.take(field) or ""
    if feature.is_sequence and default not in ("", "0"):
        node.left_out(field, "an empty history has no step.")
    if len(message.input_names) > 1 and default:
        node.left_out(field, "a missing input of a combination has no default of its own here.")
    has_own = len(message.input_names) == 1 and not feature.is_sequence
    for name in message.input_names:
        columns.add_reader(name, node, default if has_own else "")


def _rest(feature: Feature) -> None:
    """Reads the fields that change nothing but how the feature is used."""
    node = feature.node
    feature.is_trainable = bool(node.take("trainable"))
    node.mark("sequence_fields")
    node.mark("fg_encoded_default_value", "default_value", "default_bucketize_value", "separator", "value_dim")
    if node.take("use_mask"):
        node.left_out("use_mask", "features are not masked while training; variational_dropout learns what to drop.")
    if node.take("fg_value_type"):
        node.not_needed("fg_value_type", "data_config.input_fields says the type of the column.")
