"""What a new training starts from when `train_config.fine_tune_checkpoint` names a checkpoint of another one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from easymtl.checkpoints.integrity import Beat
from easymtl.checkpoints.meaning import difference_of_weights
from easymtl.checkpoints.names_of_easyrec import possible_names
from easymtl.checkpoints.publishing import write_text
from easymtl.checkpoints.saved_variables import SavedVariables, open_checkpoint
from easymtl.config.variable_map import MapLine, read_variable_map
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.growing_transfer import leave_rows_of_nobody, take_ids
from easymtl.training.optimizers import Optimizers
from easymtl.training.overwriting import make_transfer
from easymtl.training.transfer import Choices, Target, Transfer, plan_transfer, require_any, targets_of

STARTED_FROM = "fine_tune.json"
"""The file in the model_dir that says what was taken over."""


def start_training(
    pipeline: Pipeline,
    ranker: Ranker,
    optimizers: Optimizers,
    listener: events.Listener,
    is_writing: bool = True,
    beat: Beat = lambda: None,
) -> None:
    """Begins a training that has no checkpoint: with the weights of another one, if the config names it.

    What was taken over is told, and written into the model_dir with all names if this worker `is_writing`. What is
    called every now and then meanwhile is `beat`.

    Raises:
        UserError: as `start_from_checkpoint` does.
        OSError: the model_dir cannot be written.
    """
    if not pipeline.train_config.fine_tune_checkpoint:
        return
    transfer, notes = start_from_checkpoint(pipeline, ranker, optimizers, beat)
    if is_writing:
        write_text(Path(pipeline.model_dir) / STARTED_FROM, json.dumps(asdict(transfer), indent=2) + "\n")
    listener(events.StartedFrom(transfer))
    for note in notes:
        listener(events.Note(note))


def start_from_checkpoint(
    pipeline: Pipeline, ranker: Ranker, optimizers: Optimizers, beat: Beat = lambda: None
) -> tuple[Transfer, list[str]]:
    """Takes over what `fine_tune_checkpoint` has for a model whose training has not begun; calls `beat` meanwhile.

    Returns:
        What was taken over, and sentences about what is legal and perhaps not meant.

    Raises:
        UserError: there is no such checkpoint, nothing of it fits, or the map of variables names what does not exist;
            nothing has been overwritten then.
    """
    targets = targets_of(ranker, optimizers)
    there, transfer, notes = _plan(pipeline, ranker, targets, beat)
    make_transfer(targets, there, transfer, optimizers, beat)
    take_ids(ranker, there, transfer)
    return transfer, notes


def preview_start(pipeline: Pipeline, ranker: Ranker) -> tuple[Transfer, list[str]]:
    """Returns what `start_from_checkpoint` would, without optimizer slots; overwrites nothing.

    Raises:
        UserError: as it does.
    """
    return _plan(pipeline, ranker, targets_of(ranker))[1:]


def _plan(
    pipeline: Pipeline, ranker: Ranker, targets: Sequence[Target], beat: Beat = lambda: None
) -> tuple[SavedVariables, Transfer, list[str]]:
    settings = pipeline.train_config
    there = open_checkpoint(settings.fine_tune_checkpoint, beat)
    renamed: Mapping[str, str] = {}
    filters: Sequence[str] = list(pipeline.model_config.restore_filters)
    if settings.fine_tune_ckpt_var_map:
        renamed, filters = _renamed(settings.fine_tune_ckpt_var_map, targets, there), []
    choices = Choices(renamed, filters, settings.force_restore_shape_compatible)
    transfer = plan_transfer(targets, there, choices)
    leave_rows_of_nobody(ranker, there, transfer)
    require_any(transfer, there)
    names = [target.name for target in targets]
    notes = [
        f'model_config.restore_filters: no name of a weight holds "{part}".{did_you_mean(part, _words(names))}'
        for part in filters
        if not any(part in name for ours in names for name in (ours, *possible_names(ours)))
    ]
    difference = difference_of_weights(pipeline, there.state, choices.is_reshaping)
    if difference:
        notes.append(
            f"{there.prefix}: {difference}. Weights of equal name and shape are taken over all the same, and may mean "
            "something else; model_config.restore_filters leaves them alone."
        )
    return there, transfer, notes


def _words(names: Sequence[str]) -> list[str]:
    return sorted({word for name in names for word in name.split("/")})


def _renamed(path: str, targets: Sequence[Target], there: SavedVariables) -> dict[str, str]:
    """Returns the map of variables; weights may go by the names that EasyRec gives them.

    Raises:
        UserError: a line names what is not in the model or not in the checkpoint.
    """
    lines, problems = read_variable_map(path)
    ours = {name: target.name for target in targets for name in reversed([target.name, *possible_names(target.name)])}
    ours |= {target.name: target.name for target in targets}
    if not any(target.slot for target in targets):
        # A preview has no slots, and their lines are looked at when a training begins.
        lines = [line for line in lines if line.name in ours or line.name.rpartition("/")[0] not in ours]
    for line in lines:
        problems += _faults(line, ours, there)
    if problems:
        raise UserError("\n".join(problems))
    return {ours[line.name]: line.there for line in lines}


def _faults(line: MapLine, ours: Mapping[str, str], there: SavedVariables) -> list[str]:
    found = []
    if line.name not in ours:
        hint = did_you_mean(line.name, ours) or f" It has {quoted(ours, limit=5)}."
        found.append(f'{line.where}: "{line.name}" is no weight of the model.{hint}')
    if line.there not in there.shapes:
        hint = did_you_mean(line.there, there.shapes) or f" It has {quoted(sorted(there.shapes), limit=5)}."
        found.append(f'{line.where}: "{line.there}" is not in the checkpoint {there.prefix}.{hint}')
    return found
