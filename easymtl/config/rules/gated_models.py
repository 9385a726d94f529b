"""Rules of the models whose experts, embeddings or towers stand behind gates: STEM, HoME, AdaTT, PEPNet."""

from collections.abc import Callable

from google.protobuf.message import Message

from easymtl.config.names import INPUT_GROUP
from easymtl.config.rules.review import Review
from easymtl.protos.model_pb2 import STEM, AdaTT


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


def require_networks(review: Review, path: str, message: Message, *fields: str) -> None:
    """Reports each DNN that is not there."""
    for field in fields:
        if not message.HasField(field):
            review.problem(path, f"needs {field} {{ hidden_units: ... }}: what an expert is made of.")


ARCHITECTURES: dict[type, Callable[[Review, str, Message], None]] = {
    AdaTT: check_adatt,
    STEM: check_stem,
}
