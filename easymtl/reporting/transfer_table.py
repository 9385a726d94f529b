"""What a model has taken over from a checkpoint: a table of counts, each with the first few names."""

from collections.abc import Collection, Mapping

from rich.console import Console

from easymtl.reporting.tables import print_table
from easymtl.reporting.terminal import print_line
from easymtl.training.transfer import Transfer

_MOST_NAMES = 5


def print_transfer(transfer: Transfer, terminal: Console, title: str) -> None:
    """Prints what was taken over, what was left alone and why, and what starts anew."""
    print_line(terminal, f"{title} {transfer.source}", "bold")
    rows = [[kind, f"{len(names):,}", _first_of(names)] for kind, names in transfer_rows(transfer).items()]
    print_table(terminal, ["weights", "number", "names"], rows, num_left=3)


def transfer_rows(transfer: Transfer) -> dict[str, list[str]]:
    """Returns the names of each kind, those of which there are none left out."""
    whole = {ours: there for ours, there in transfer.parameters.items() if ours not in transfer.reshaped}
    rows: Mapping[str, list[str]] = {
        "loaded": [_pair(ours, there) for ours, there in whole.items()],
        "loaded, cut or padded": [f"{name} ({shapes})" for name, shapes in transfer.reshaped.items()],
        "norms, taken as converged": transfer.converged,
        "skipped: restore_filters": transfer.filtered,
        "skipped: another shape": list(transfer.misfits.values()),
        "new: not in the checkpoint": transfer.fresh,
        "no place in this model": transfer.unused,
        "slots loaded": [_pair(ours, there) for ours, there in transfer.slots.items()],
        "slots new": transfer.fresh_slots,
        "slots not used": transfer.unused_slots,
    }
    return {kind: names for kind, names in rows.items() if names}


def _pair(ours: str, there: str) -> str:
    return ours if ours == there else f"{ours} = {there}"


def _first_of(names: Collection[str]) -> str:
    # Those under another name say most.
    names = sorted(names, key=lambda name: " = " not in name)
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f", ... and {rest:,} more" if rest > 0 else "")
