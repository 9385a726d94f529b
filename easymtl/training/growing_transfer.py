"""Growing tables that start from those of another training: rows are taken over with the ids that they belong to."""

from pathlib import Path

from easymtl.checkpoints.growing import num_rows_of, restore_ids
from easymtl.checkpoints.saved_variables import SavedVariables
from easymtl.tasks.ranker import Ranker
from easymtl.training.transfer import Transfer


def leave_rows_of_nobody(ranker: Ranker, there: SavedVariables, transfer: Transfer) -> None:
    """Leaves tables out of a transfer whose rows belong to ids that nobody knows.

    They are growing tables for which the checkpoint has no ids of the same name, or more ids than fit.

    Args:
        ranker: the model that is new.
        there: the checkpoint.
        transfer: what was planned; the tables that are left out become misfits of it.

    Raises:
        UserError: the checkpoint is damaged.
    """
    growing = ranker.feature_set.growing
    for name, ids in growing.ids.items():
        taken = [one for one in _parameters(ranker, name) if one in transfer.parameters]
        num_rows = num_rows_of(_folder(there), name)
        if num_rows is not None and num_rows <= ids.num_rows:
            continue
        why = f'no ids of the name "{name}"' if num_rows is None else "more ids than growing.max_rows"
        for one in taken:
            transfer.misfits[one] = f"{transfer.parameters.pop(one)} has {why}, of which its rows are"
            transfer.reshaped.pop(one, None)
            slots = [slot for slot in transfer.slots if slot.startswith(f"{one}/")]
            transfer.fresh_slots += slots
            transfer.slots = {slot: of for slot, of in transfer.slots.items() if slot not in slots}


def take_ids(ranker: Ranker, there: SavedVariables, transfer: Transfer) -> None:
    """Takes over the ids of the growing tables of which a transfer has taken the rows.

    Raises:
        UserError: the checkpoint is damaged.
    """
    growing = ranker.feature_set.growing
    taken = [name for name in growing.ids if set(_parameters(ranker, name)) & transfer.parameters.keys()]
    for name in taken:
        restore_ids(_folder(there), name, growing.ids[name])
        # Steps are counted anew, and days are days.
        if not growing.ids[name].counts_days:
            growing.ids[name].restart(transfer.step)


def _parameters(ranker: Ranker, ids: str) -> list[str]:
    """Returns the names of the parameters of the tables whose rows belong to some ids."""
    names = ranker.embeddings.names()
    return [names[table.name] for table in ranker.feature_set.growing.tables(ids)]


def _folder(there: SavedVariables) -> Path:
    return Path(there.prefix).parent
