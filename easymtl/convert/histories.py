"""`sequence_groups` and `sequence_encoders` of a group: target attention, or the steps of a history in one vector."""

from dataclasses import dataclass, field

from easymtl.convert.features import Feature
from easymtl.convert.networks import dnn
from easymtl.convert.source import Node
from easymtl.errors import did_you_mean
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig, SeqAttGroupConfig

_POOLED = "_pooled"
_NO_ENCODER = "there is none here: the history is left out. Use din_encoder or pooling_encoder."


@dataclass
class Histories:
    """What the encoders of one group make.

    Attributes:
        group: the group; pooled histories join its feature_names, attention its sequence_features.
        keys: features that attention reads beside those of the group.
        pooled: features that pool a history, by the name of the history.
    """

    group: FeatureGroupConfig
    keys: list[str] = field(default_factory=list)
    pooled: dict[str, FeatureConfig] = field(default_factory=dict)

    def read(self, node: Node, features: dict[str, Feature]) -> None:
        """Adds what the encoders of a group in the source make.

        Args:
            node: a `FeatureGroupConfig` of TorchEasyRec.
            features: all features by name.
        """
        sequences: dict[str, list[str]] = {}
        for part in node.nodes("sequence_groups"):
            name = part.take("group_name") or self.group.group_name
            sequences[name] = part.values("feature_names")
            for unknown in (feature for feature in sequences[name] if feature not in features):
                text = f'"{unknown}" is no feature.{did_you_mean(unknown, features)}'
                part.left_out("feature_names", text)
            if part.take("embedding_name_suffix"):
                text = "tables are apart by embedding_name, which features have: give one of them another name."
                part.left_out("embedding_name_suffix", text)
        for item in node.nodes("sequence_encoders"):
            encoder = item.chosen("seq_module")
            if encoder is not None:
                self._encode(encoder, sequences, features)

    def _encode(self, encoder: Node, sequences: dict[str, list[str]], features: dict[str, Feature]) -> None:
        only = next(iter(sequences)) if len(sequences) == 1 else ""
        name = encoder.take("input") or only
        known = [features[feature] for feature in sequences.get(name, ()) if feature in features]
        usable = [feature for feature in known if feature.message is not None]
        steps = [feature for feature in usable if feature.is_sequence]
        keys = [feature for feature in usable if not feature.is_sequence]
        encoder.mark("name")
        if not steps:
            encoder.left_out("", f'its sequence group "{name}" has no history that could be converted.')
            encoder.mark_all()
        elif encoder.name == "PoolingEncoder":
            self._pool(encoder, steps)
        elif encoder.name in ("DINEncoder", "SimpleAttention"):
            self._attend(encoder, name, keys, steps)
        else:
            encoder.left_out("", _NO_ENCODER)
            encoder.mark_all()

    def _attend(self, encoder: Node, name: str, keys: list[Feature], steps: list[Feature]) -> None:
        attention = SeqAttGroupConfig(group_name=self._unique(name))
        attention.seq_att_map.add(key=[key.name for key in keys], hist_seq=[step.name for step in steps])
        network = encoder.node("attn_mlp") if encoder.name == "DINEncoder" else None
        if network is not None:
            attention.seq_dnn.CopyFrom(dnn(network))
            # The layer that makes the score is the last one here, and stands behind the layers there.
            attention.seq_dnn.hidden_units.append(1)
            if attention.seq_dnn.dropout_ratio:
                attention.seq_dnn.dropout_ratio.append(0)
        else:
            encoder.changed("", "a small network scores the steps in place of the product of candidate and step.")
        attention.need_key_feature = False
        wide, needed = sum(step.width for step in steps), sum(key.width for key in keys)
        if needed < wide:
            # The candidate is filled up with zeros to the width of a step, as it is there.
            attention.allow_key_transform = True
        if not keys or needed > wide:
            text = f"the candidate's vectors are {needed} wide and those of a step {wide}: attention needs 1 to {wide}."
            encoder.left_out("input", text)
        self.keys += [key.name for key in keys]
        self.group.sequence_features.append(attention)
        self._cut(encoder, steps)

    def _pool(self, encoder: Node, steps: list[Feature]) -> None:
        combiner = encoder.take("pooling_type")
        for step in steps:
            message = step.message
            assert message is not None
            if message.sub_feature_type == FeatureConfig.RawFeature:
                encoder.left_out("", f'"{step.name}" holds numbers, which are not pooled: give them a num_buckets.')
                continue
            pooled = FeatureConfig()
            pooled.CopyFrom(message)
            for name in ("seq_multi_sep", "sub_feature_type", "max_seq_len", "combiner"):
                pooled.ClearField(name)
            pooled.feature_name = f"{step.name}{_POOLED}"
            pooled.feature_type = FeatureConfig.TagFeature
            pooled.separator = "".join(dict.fromkeys(step.steps + message.seq_multi_sep))
            if combiner != "sum":
                pooled.combiner = combiner
            self.pooled[step.name] = pooled
            self.group.feature_names.append(pooled.feature_name)
            longest = [length for length in (message.max_seq_len, encoder.take("max_seq_length")) if length > 0]
            if longest:
                text = f'all steps of "{step.name}" are pooled, not the first {min(longest)}: cut them in the data.'
                encoder.changed("input", text)

    def _cut(self, encoder: Node, steps: list[Feature]) -> None:
        longest = encoder.take("max_seq_length") or 0
        lengths = {step.message.max_seq_len for step in steps if step.message is not None}
        if longest and any(not length or length > longest for length in lengths):
            text = f"histories are cut where they are read: set sequence_length of the features to {longest}."
            encoder.left_out("max_seq_length", text)

    def _unique(self, name: str) -> str:
        taken = [attention.group_name for attention in self.group.sequence_features]
        number = sum(other.startswith(name) for other in taken)
        return f"{name}_{number + 1}" if number else name
