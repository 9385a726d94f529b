"""Rules of the models whose experts, embeddings or towers stand behind gates: STEM, HoME, AdaTT, PEPNet."""

from collections.abc import Callable

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.names import INPUT_GROUP, activation_name
from easymtl.config.rules.review import Review, feature_name
from easymtl.errors import quoted
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.model_pb2 import STEM, AdaTT, HoME, PEPNet


def check_adatt(review: Review, path: str, adatt: AdaTT) -> None:
    """There are levels of experts; shared experts go through all of them."""
    if not adatt.fusion_levels:
        review.problem(path, "has no fusion_levels { expert_net { hidden_units: ... } }: it needs one at least.")
    for index, level in enumerate(adatt.fusion_levels):
        level_path = f"{path}.fusion_levels[{index}]"
        require_networks(review, level_path, level, "expert_net")
        first = adatt.fusion_levels[0].share_num
        if bool(level.share_num) != bool(first):
            text = f"is {level.share_num}, and {first} in the first level; experts are shared in all levels or in none."
            review.problem(f"{level_path}.share_num", text, f"{path}.fusion_levels.share_num")


def check_stem(review: Review, path: str, stem: STEM) -> None:
    """There are both kinds of experts, of one width, and each task has a feature group of its own."""
    require_networks(review, path, stem, "task_expert_net", "share_expert_net")
    own, shared = list(stem.task_expert_net.hidden_units), list(stem.share_expert_net.hidden_units)
    if own and shared and own[-1] != shared[-1]:
        text = f"ends in width {shared[-1]}, task_expert_net in {own[-1]}; they are added up: make them agree."
        review.problem(f"{path}.share_expert_net", text, f"{path}.task_expert_net.hidden_units")
    taken = {INPUT_GROUP: "the shared embeddings"}
    for index, tower in enumerate(stem.task_towers):
        tower_path = f"{path}.task_towers[{index}]"
        group = tower.feature_group
        if not group:
            text = "needs feature_group: the group of features whose embeddings are this task's alone."
            review.problem(tower_path, text)
        elif group in taken:
            text = f'"{group}" is {taken[group]}; list the features again in a group for this task.'
            review.problem(f"{tower_path}.feature_group", text)
        else:
            taken[group] = f'those of "{tower.tower_name}"'
            _note_shared_tables(review, f"{tower_path}.feature_group", group)


def _note_shared_tables(review: Review, path: str, group: str) -> None:
    """An embedding_name makes one table of the tables in all groups: the task then has none of its own."""
    tables = {feature_name(feature): feature.embedding_name for _, feature in review.features()}
    for other in review.pipeline.model_config.feature_groups:
        if other.group_name == group:
            shared = [name for name in view.group_feature_names(other) if tables.get(name)]
            if shared:
                text = f'"{group}" shares the tables of {quoted(shared)} by their embedding_name; leave that out for '
                review.note(path, text + "embeddings that are this task's alone.")


def check_home(review: Review, path: str, home: HoME) -> None:
    """There are experts, and each task is in one group."""
    require_networks(review, path, home, "expert_dnn")
    _check_expert_norm(review, f"{path}.expert_dnn", home.expert_dnn)
    groups = [(f"{path}.task_groups[{index}]", group) for index, group in enumerate(home.task_groups)]
    if not groups:
        review.problem(path, 'has no task_groups { group_name: "watch" tower_names: [...] }: which tasks are alike.')
        return
    review.check_unique((f"{group_path}.group_name", group.group_name) for group_path, group in groups)
    for group_path, group in groups:
        if not group.group_name:
            review.problem(group_path, "has no group_name.")
        if not group.tower_names:
            review.problem(group_path, "has no tower_names.")
    _check_members(review, path, home)


def _check_expert_norm(review: Review, path: str, expert: DNN) -> None:
    if expert.HasField("activation") and activation_name(expert.activation) != "swish":
        text = f'is "{expert.activation}", but experts of HoME end in batch norm and swish. Leave it out.'
        review.problem(f"{path}.activation", text)
    if not expert.use_bn:
        review.problem(f"{path}.use_bn", "is false, but experts of HoME end in batch norm and swish. Leave it out.")


def _check_members(review: Review, path: str, home: HoME) -> None:
    towers = [tower.tower_name for tower in home.task_towers]
    members = [
        (f"{path}.task_groups[{index}].tower_names[{place}]", name)
        for index, group in enumerate(home.task_groups)
        for place, name in enumerate(group.tower_names)
    ]
    names = (f"{path}.task_towers", f"{path}.task_towers.tower_name")
    for member_path, name in members:
        review.check_known(member_path, name, towers, "the towers", *names)
    review.check_unique(members, "A task is in one group: take it out of the other.")
    grouped = {name for _, name in members}
    for index, name in enumerate(towers):
        if name and name not in grouped:
            text = f'"{name}" is in none of the task_groups; add it to the tower_names of one.'
            review.problem(f"{path}.task_towers[{index}].tower_name", text, f"{path}.task_groups.tower_names")


def check_pepnet(review: Review, path: str, pepnet: PEPNet) -> None:
    """There is something for the gates to read."""
    if not (pepnet.domain_group or pepnet.personal_group):
        text = "scales nothing: name a domain_group (its gate scales the embeddings) or a personal_group (the towers)."
        review.problem(path, text)


def require_networks(review: Review, path: str, message: Message, *fields: str) -> None:
    """Reports each DNN that is not there."""
    for field in fields:
        if not message.HasField(field):
            review.problem(path, f"needs {field} {{ hidden_units: ... }}: what an expert is made of.")


ARCHITECTURES: dict[type, Callable[[Review, str, Message], None]] = {
    AdaTT: check_adatt,
    STEM: check_stem,
    HoME: check_home,
    PEPNet: check_pepnet,
}
