"""`feature_groups` of TorchEasyRec: which of them a model reads, and the tables that they share."""

from collections import Counter
from dataclasses import dataclass, field

from easymtl.config.names import INPUT_GROUP
from easymtl.convert.features import Feature
from easymtl.convert.histories import Histories, Pooled
from easymtl.convert.source import Node
from easymtl.errors import did_you_mean
from easymtl.protos.feature_pb2 import FeatureGroupConfig

_UNREAD = 'no part of {} reads the group "{}": it reads {}.'
_TABLE = "_emb"


@dataclass
class Groups:
    """The groups that a model reads.

    Attributes:
        messages: the groups here.
        pooled: histories that are pooled.
        uses: how often a table of each feature is read, over all groups with a common one.
        read: names of all features that a group reads.
    """

    messages: list[FeatureGroupConfig] = field(default_factory=list)
    pooled: list[Pooled] = field(default_factory=list)
    uses: Counter[str] = field(default_factory=Counter)
    read: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """The names of the groups."""
        return [message.group_name for message in self.messages]


def convert_groups(model: Node, features: dict[str, Feature], kind: str, wanted: list[str]) -> Groups:
    """Returns the groups that a model reads, the one that it reads itself as `all`.

    Args:
        model: the `ModelConfig`.
        features: all features by name.
        kind: the architecture.
        wanted: names of the groups that it reads; empty for those models that read the first one, whatever its name.
    """
    groups = Groups()
    for node in model.nodes("feature_groups"):
        name = node.take("group_name")
        is_read = name in wanted if wanted else not groups.messages
        if not is_read:
            names = "the first one" if not wanted else " and ".join(wanted)
            node.not_needed("", _UNREAD.format(kind, name, names))
            node.mark_all()
            continue
        if not wanted and name != INPUT_GROUP:
            node.changed("group_name", f'"{name}" is "{INPUT_GROUP}" here, the group that models read.')
            name = INPUT_GROUP
        _add(groups, node, name, features)
    return groups


def _add(groups: Groups, node: Node, name: str, features: dict[str, Feature]) -> None:
    group = FeatureGroupConfig(group_name=name)
    kind = node.name_of("group_type")
    if kind != "DEEP":
        node.changed("group_type", f"{kind} groups are for other models there; this one is DEEP here.")
    for feature_name in node.values("feature_names"):
        feature = features.get(feature_name)
        if feature is None:
            text = f'"{feature_name}" is no feature.{did_you_mean(feature_name, features)}'
            node.left_out("feature_names", text)
        elif feature.is_sequence:
            node.left_out("feature_names", f'"{feature_name}" is a history: it needs a sequence encoder.')
        elif feature.message is not None:
            group.feature_names.append(feature_name)
    plain = list(group.feature_names)
    histories = Histories(group, groups.pooled)
    histories.read(node, features)
    alone = [key for key in dict.fromkeys(histories.keys) if key not in plain]
    steps = [step for part in group.sequence_features for entry in part.seq_att_map for step in entry.hist_seq]
    groups.read.update(plain, histories.keys, steps)
    if node.take("embedding_name_suffix"):
        _suffix(node, features, [*plain, *alone, *steps])
    else:
        groups.uses.update([*plain, *alone, *dict.fromkeys(steps), *histories.pooled_here])
    groups.messages.append(group)


def _suffix(node: Node, features: dict[str, Feature], names: list[str]) -> None:
    """Tables of a group are its own anyway, unless the features share theirs by name."""
    shared = next((name for name in names if (one := features[name].message) and one.embedding_name), None)
    if shared:
        text = f'"{shared}" has an embedding_name, and so one table in all groups.'
        node.left_out("embedding_name_suffix", text)


def share_tables(features: dict[str, Feature], groups: Groups) -> None:
    """Gives the table of each feature that is read in several places a name, so that it stays one table."""
    for name, count in groups.uses.items():
        message = features[name].message
        if message is None or count < 2 or message.embedding_name or not message.embedding_dim:
            continue
        message.embedding_name = f"{name}{_TABLE}"
        for pooled in groups.pooled:
            if pooled.history == name:
                pooled.message.embedding_name = message.embedding_name
