"""`sequence_groups` and `sequence_encoders` of a group: target attention, or the steps of a history in one vector."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count

from easymtl.convert.features import Feature
from easymtl.convert.networks import dnn
from easymtl.convert.source import Node
from easymtl.errors import did_you_mean
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig, SeqAttGroupConfig

_POOLED = "_pooled"
_NO_ENCODER = "there is none here: the history is left out. Use din_encoder or pooling_encoder."


@dataclass(frozen=True)
class Pooled:
    """A history whose steps become one vector.

    Attributes:
        history: its name.
        message: the feature that it becomes here.
    """

    history: str
    message: FeatureConfig


@dataclass
class Histories:
    """What the encoders of one group make.

    Attributes:
        group: the group; pooled histories join its feature_names, attention its sequence_features.
        pooled: histories that are pooled, in this group and in those before it.
        keys: features that attention reads beside those of the group.
    """

    group: FeatureGroupConfig
    pooled: list[Pooled]
    keys: list[str] = field(default_factory=list)

    @property
    def pooled_here(self) -> list[str]:
        """The names of the histories that this group pools, once for each way."""
        return [one.history for one in self.pooled if one.message.feature_name in self.group.feature_names]

    def read(self, node: Node, features: dict[str, Feature]) -> None:
        """Adds what the encoders of a group in the source make.

        Args:
            node: a `FeatureGroupConfig` of TorchEasyRec.
            features: all features by name.
        """
        sequences: dict[str, list[str]] = {}
        for part in node.nodes("sequence_groups"):
            name = part.take("group_name") or node.take("group_name")
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
            pooled.feature_type = FeatureConfig.TagFeature
            pooled.separator = "".join(dict.fromkeys(step.steps + message.seq_multi_sep))
            if combiner != "sum":
                pooled.combiner = combiner
            self._add(step.name, pooled)
            longest = [length for length in (message.max_seq_len, encoder.take("max_seq_length")) if length > 0]
            if longest:
                text = f'all steps of "{step.name}" are pooled, not the first {min(longest)}: cut them in the data.'
                encoder.changed("input", text)

    def _add(self, history: str, message: FeatureConfig) -> None:
        """Adds a pooled history to the group, under one name wherever it is pooled in this way."""
        others = {one.message.feature_name: one.message for one in self.pooled}
        for name in _numbered(f"{history}{_POOLED}"):
            message.feature_name = name
            if others.get(name, message) == message:
                break
        if message.feature_name not in others:
            self.pooled.append(Pooled(history, message))
        if message.feature_name not in self.group.feature_names:
            self.group.feature_names.append(message.feature_name)

    def _cut(self, encoder: Node, steps: list[Feature]) -> None:
        longest = encoder.take("max_seq_length") or 0
        lengths = {step.message.max_seq_len for step in steps if step.message is not None}
        if longest and any(not length or length > longest for length in lengths):
            text = f"histories are cut where they are read: set sequence_length of the features to {longest}."
            encoder.left_out("max_seq_length", text)

    def _unique(self, name: str) -> str:
        taken = {attention.group_name for attention in self.group.sequence_features}
        return next(unique for unique in _numbered(name) if unique not in taken)


def _numbered(name: str) -> Iterator[str]:
    """Yields a name, then the same with numbers from 2 on."""
    return chain([name], (f"{name}_{number}" for number in count(2)))
