"""How EasyRec's checkpoints name what we name: the one place that knows.

Dense parameters, norms, shared tables and optimizer slots have the same names there. The tables of weighted tags and of
numbers do not; and some of ours, as the update count of a norm, have no counterpart.
"""

import re
from collections.abc import Collection

_TABLE = re.compile(r"^(?P<scope>[^/]+)/(?P<feature>[^/]+)_embedding/embedding_weights(?P<slot>/[^/]+)?$")
_TABLE_NAMES = (
    "{feature}_embedding",
    "{feature}_weighted_by_{feature}_w_embedding",
    "{feature}_weighted_by_{feature}_raw_proj_val_embedding",
    "{feature}_bucketized_embedding",
)
# With weight decay an optimizer gives its slots another name, of the same numbers.
_SLOTS = {"Adam": "AdamW", "Adam_1": "AdamW_1", "Momentum": "MomentumW"}
_COUNT = re.compile(r"/count$")
_BOOKKEEPING = re.compile(r"^(global_step|beta[12]_power(_\d+)?)$")
_SHIFT_OF_LISTS = re.compile(r"^listwise_loss/scale_b(/[^/]+)?$")


def possible_names(name: str) -> list[str]:
    """Returns the names that a parameter or slot of ours may have in a checkpoint of EasyRec, the likeliest first.

    The list is empty for what EasyRec does not have.
    """
    if is_count_of_norm(name):
        return []
    of_table = _names_of_table(name)
    parameter, _, slot = name.rpartition("/")
    if slot in _SLOTS:
        of_table += _names_of_table(f"{parameter}/{_SLOTS[slot]}")
    return of_table


def _names_of_table(name: str) -> list[str]:
    table = _TABLE.match(name)
    if table is None:
        return [name]
    slot = table["slot"] or ""
    names = (pattern.format(feature=table["feature"]) for pattern in _TABLE_NAMES)
    return [f"{table['scope']}/{found}/embedding_weights{slot}" for found in names]


def name_there(name: str, checkpoint: Collection[str]) -> str | None:
    """Returns the name under which a checkpoint of EasyRec has a parameter or slot of ours; None if it has it not."""
    return next((possible for possible in possible_names(name) if possible in checkpoint), None)


def is_count_of_norm(name: str) -> bool:
    """Returns whether this is the update count of a norm, which EasyRec has not; loaded statistics are converged."""
    return bool(_COUNT.search(name))


def is_bookkeeping(name: str) -> bool:
    """Returns whether EasyRec keeps this and nothing depends on it.

    That is the step, powers that follow from it, and a shift of all logits of a list, which its softmax takes out.
    """
    return bool(_BOOKKEEPING.match(name) or _SHIFT_OF_LISTS.match(name))
