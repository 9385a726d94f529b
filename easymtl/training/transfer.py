"""Taking over the weights of another checkpoint: what finds its place by name and shape, and what does not.

The one way for what is imported and for what a training starts from.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.checkpoints.names_of_easyrec import is_bookkeeping, is_count_of_norm, name_there
from easymtl.checkpoints.saved_variables import SavedVariables
from easymtl.checkpoints.slots import AVERAGE
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.layers.context import Parameter
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers

COUNT = "count"
"""Name, in a norm, of the number of updates that its statistics have seen."""
_MEAN, _VARIANCE = "moving_mean", "moving_variance"


@dataclass
class Transfer:
    """What a checkpoint gives to a model, and what it does not.

    Attributes:
        source: path of the checkpoint, without its endings.
        step: number of updates that the model counts as having made.
        path: folder of the checkpoint that was made of it; empty where none was.
        parameters: name of each parameter that is taken over -> its name there.
        slots: the same for optimizer slots and moving averages.
        converged: norms whose statistics are taken over from where nobody counts updates: they count as converged.
        reshaped: parameter that is cut or padded -> both shapes, in words.
        filtered: parameters that a filter leaves alone.
        misfits: parameter that has another shape there -> both shapes, in words; it starts as in a new model.
        fresh: parameters that have no counterpart there, and start as in a new model.
        fresh_slots: optimizer slots and moving averages that start anew.
        unused: names there that nothing here takes.
        unused_slots: those of them that are optimizer slots.
    """

    source: str
    step: int = 0
    path: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    converged: list[str] = field(default_factory=list)
    reshaped: dict[str, str] = field(default_factory=dict)
    filtered: list[str] = field(default_factory=list)
    misfits: dict[str, str] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    fresh_slots: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unused_slots: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Returns whether every parameter here, and every variable there, has found its counterpart."""
        return not (self.fresh or self.misfits or self.filtered or self.reshaped or self.unused)


@dataclass(frozen=True)
class Choices:
    """What is to be taken over.

    Attributes:
        renamed: parameter or slot -> the name of its counterpart; what is not named goes by its own name.
        filters: parts of names that are left alone.
        is_reshaping: whether what has another shape, of as many axes, is cut or padded.
        with_slots: whether optimizer slots and moving averages are taken over.
        unread: names of layers there that have no place here because nothing reads what they give.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    filters: Sequence[str] = ()
    is_reshaping: bool = False
    with_slots: bool = True
    unread: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """A parameter, or a slot or the average of one, that may be overwritten.

    Attributes:
        parameter: its name, shape and place.
        variable: what is overwritten.
        slot: name of the slot; empty for the parameter itself.
        padding: what stands where the checkpoint has nothing.
    """

    parameter: Parameter
    variable: tf.Variable
    slot: str = ""
    padding: float = 0.0

    @property
    def name(self) -> str:
        """Returns the name that a checkpoint of ours gives it."""
        return f"{self.parameter.name}/{self.slot}" if self.slot else self.parameter.name


def targets_of(ranker: Ranker, optimizers: Optimizers | None = None) -> list[Target]:
    """Returns what a transfer may overwrite in a model that is new, the slots of a parameter behind it."""
    return list(_targets(ranker.parameters, optimizers))


def _targets(parameters: Mapping[str, Parameter], optimizers: Optimizers | None) -> Iterator[Target]:
    for name, parameter in parameters.items():
        # A variance of 0 would blow up what it divides.
        yield Target(parameter, parameter.variable, padding=1.0 if name.endswith(f"/{_VARIANCE}") else 0.0)
        if optimizers is None:
            continue
        for slot, variable in optimizers.slots_of(parameter.variable).items():
            # What a new one holds: 0 would be no accumulator of Adagrad.
            yield Target(parameter, variable, slot, padding=optimizers.initial_slot(parameter.variable, slot))
        average = optimizers.average_of(parameter.variable)
        if average:
            yield Target(parameter, average.value, AVERAGE)


def plan_transfer(targets: Sequence[Target], there: SavedVariables, choices: Choices) -> Transfer:
    """Returns what would become of everything; overwrites nothing."""
    transfer = Transfer(there.prefix)
    skipped: set[str] = set()
    for target in targets:
        if not target.slot and not is_count_of_norm(target.name):
            found = _place(target, there, choices, transfer)
            if found and target.name not in transfer.parameters:
                skipped.add(found)
    _settle_norms([target.name for target in targets], there, transfer)
    slots: dict[str, list[Target]] = {}
    for target in targets:
        if target.slot:
            slots.setdefault(target.parameter.name, []).append(target)
    for group in slots.values():
        _place_slots(group, there, choices, transfer)
    unread = tuple(f"{name}/" for name in choices.unread)
    taken = {*transfer.parameters.values(), *transfer.slots.values()}
    for name in sorted(there.shapes.keys() - taken):
        if name.rpartition("/")[0] in there.shapes:
            transfer.unused_slots.append(name)
        elif name not in skipped and not (is_bookkeeping(name) or name.startswith(unread)):
            transfer.unused.append(name)
    return transfer


def _place(target: Target, there: SavedVariables, choices: Choices, transfer: Transfer) -> str | None:
    """Writes down what becomes of a parameter, and returns the name of its counterpart, taken over or not."""
    name, shape = target.name, target.parameter.shape
    found = _counterpart(target, there.shapes, choices.renamed)
    if any(part in name or part in (found or "") for part in choices.filters):
        transfer.filtered.append(name)
    elif found is None:
        transfer.fresh.append(name)
    elif there.shapes[found] == shape:
        transfer.parameters[name] = found
    elif choices.is_reshaping and len(there.shapes[found]) == len(shape):
        transfer.parameters[name] = found
        transfer.reshaped[name] = f"{there.shapes[found]} there, {shape} here"
    else:
        transfer.misfits[name] = f"{found} is {there.shapes[found]} there, {name} is {shape} in the config"
    return found


def _place_slots(slots: Sequence[Target], there: SavedVariables, choices: Choices, transfer: Transfer) -> None:
    """Takes over all slots of a parameter or none: the moments of one optimizer belong together."""
    for group in ([t for t in slots if t.slot != AVERAGE], [t for t in slots if t.slot == AVERAGE]):
        found = {target.name: _counterpart(target, there.shapes, choices.renamed) for target in group}
        fits = choices.with_slots and all(
            target.parameter.name in transfer.parameters
            and (name := found[target.name]) is not None
            and there.shapes[name] == there.shapes[transfer.parameters[target.parameter.name]]
            and not any(part in target.name or part in name for part in choices.filters)
            for target in group
        )
        if fits:
            transfer.slots |= {name: str(counterpart) for name, counterpart in found.items()}
        else:
            transfer.fresh_slots += found


def _counterpart(target: Target, there: Collection[str], renamed: Mapping[str, str]) -> str | None:
    name = target.name
    if name in renamed:
        return renamed[name]
    if target.slot and target.parameter.name in renamed:
        name = f"{renamed[target.parameter.name]}/{target.slot}"
    return name_there(name, there)


def _settle_norms(names: Iterable[str], there: SavedVariables, transfer: Transfer) -> None:
    """Takes over the statistics of a norm together or not at all, and with them how many updates they have seen."""
    for count in filter(is_count_of_norm, names):
        norm = count.removesuffix(f"/{COUNT}")
        mean, variance = f"{norm}/{_MEAN}", f"{norm}/{_VARIANCE}"
        if mean in transfer.parameters and variance in transfer.parameters:
            counted = transfer.parameters[mean].removesuffix(_MEAN) + COUNT
            if there.shapes.get(counted) == (1,):
                transfer.parameters[count] = counted
            else:
                transfer.converged.append(norm)
            continue
        for name in (mean, variance):
            if transfer.parameters.pop(name, None) is not None:
                transfer.reshaped.pop(name, None)
                transfer.fresh.append(name)


def require_any(transfer: Transfer, there: SavedVariables) -> None:
    """Checks that a checkpoint has something to give.

    Raises:
        UserError: nothing of it fits.
    """
    if transfer.parameters:
        return
    kinds = [
        (transfer.misfits.values(), "of another shape"),
        (transfer.filtered, "left alone by model_config.restore_filters"),
        (transfer.fresh, "not in it"),
    ]
    reasons = [f"{len(names)} {what}: {_some(names)}" for names, what in kinds if names]
    raise UserError(
        f"{there.prefix}: nothing of this checkpoint fits the model: of its parameters {'; '.join(reasons)}. The "
        f"checkpoint has {quoted(sorted(there.shapes), limit=5)}.{_nearest(transfer.fresh, there.shapes)}"
    )


def describe_gaps(transfer: Transfer) -> str:
    """Returns what has not found its counterpart: a line for each kind, with the first few names of each side."""
    kinds = [
        (transfer.misfits.values(), "of another shape", ""),
        (transfer.fresh, "not in the checkpoint", _nearest(transfer.fresh, transfer.unused)),
        (transfer.unused, "in the checkpoint, with no place in this model", ""),
    ]
    return "".join(f"\n  {len(names)} {what}: {_some(names)}.{hint}" for names, what, hint in kinds if names)


def _some(names: Collection[str], limit: int = 5) -> str:
    names = list(names)
    rest = f" ... and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _nearest(names: Sequence[str], there: Collection[str]) -> str:
    """Returns a hint at what one of the first names may be there; empty where nothing is like them."""
    hints = ((name, did_you_mean(name, there)) for name in names[:20])
    return next((f" For {name}:{hint}" for name, hint in hints if hint), "")
