"""Bringing in a checkpoint of EasyRec: its weights become step N of a model_dir, to evaluate, export or train on.

EasyRec saves a TensorFlow 1 checkpoint, `model.ckpt-1000.index` beside its data files, by the names of variables.
Partitioned variables are one name there, which TensorFlow's reader puts together; where something else has saved the
parts under names of their own (`.../part_0`), they are put together here.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.meaning import meaning_of, optimizers_of
from easymtl.checkpoints.names_of_easyrec import is_bookkeeping, is_count_of_norm, name_there
from easymtl.checkpoints.weights import Weights
from easymtl.data.feed import Cursor
from easymtl.errors import UserError, quoted
from easymtl.layers.context import Parameter
from easymtl.layers.norm import CONVERGED
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import balancing_name, make_descent
from easymtl.training.best import Best
from easymtl.training.optimizers import Optimizers

_STEP = "global_step"
_PART = re.compile(r"^(?P<whole>.+)/part_(?P<index>\d+)(?P<slot>/[^/]+)?$")
_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


@dataclass
class ImportReport:
    """What an import has done.

    Attributes:
        source: path of the checkpoint that was read, without its endings.
        step: number of updates that it counts as.
        path: folder of the checkpoint that was written.
        parameters: name of each parameter that was taken over -> its name there.
        slots: the same for optimizer slots.
        converged: norms whose statistics were taken over, which count as converged.
        fresh: parameters that have no counterpart there, and start as in a new model.
        fresh_slots: optimizer slots that start anew.
        unused: names there that nothing here has taken.
        unused_slots: those of them that are optimizer slots.
    """

    source: str
    step: int
    path: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    converged: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    fresh_slots: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unused_slots: list[str] = field(default_factory=list)


def import_checkpoint(pipeline: Pipeline, source: str, fresh_optimizer: bool = False) -> ImportReport:
    """Writes a checkpoint of EasyRec into the model_dir of a config.

    The step is the `global_step` there, the position in the data the beginning.

    Args:
        pipeline: the model.
        source: `.../model.ckpt-1000`, one of its files, or a folder whose `checkpoint` file names the newest one.
        fresh_optimizer: leave the optimizer slots there, and begin at step 0.

    Raises:
        UserError: the model_dir is in use, there is no such checkpoint, it is damaged, or it does not fit the model;
            nothing has been written then.
    """
    _require_unused(pipeline.model_dir)
    there = EasyRecCheckpoint(find_prefix(source))
    ranker = Ranker(pipeline)
    tables = list(ranker.embeddings.variables_by_width.values())
    descent = make_descent(pipeline, ranker)
    dense = [*ranker.dense_variables, *descent.trained]
    optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, dense)
    report = ImportReport(there.prefix, 0 if fresh_optimizer else there.step())
    _map(list(_targets(ranker, optimizers)), there, report, fresh_optimizer)
    state = {
        "cursor": Cursor().to_dict(),
        "best": Best.from_pipeline(pipeline).state(),
        "metrics": {},
        "meaning": meaning_of(pipeline),
        "balancing": balancing_name(pipeline),
        "optimizers": optimizers_of(pipeline),
    }
    folder = CheckpointFolder(pipeline.model_dir)
    report.path = str(folder.save(report.step, Weights(ranker, optimizers), state).path)
    return report


def find_prefix(source: str) -> str:
    """Returns the path of a checkpoint without its endings.

    Raises:
        UserError: there is none.
    """
    prefix = _newest_in(source) if os.path.isdir(source) else _FILE.sub("", source)
    if os.path.exists(f"{prefix}.index"):
        return prefix
    beside = sorted(Path(prefix).parent.glob("*.index"))
    there = f" In {Path(prefix).parent} there is {quoted(path.stem for path in beside)}." if beside else ""
    raise UserError(f"{source}: there is no checkpoint: {prefix}.index does not exist.{there}")


def _newest_in(folder: str) -> str:
    try:
        state = tf.train.get_checkpoint_state(folder)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder}/checkpoint: cannot be read: {error}") from None
    if state is None:
        found = sorted(path.stem for path in Path(folder).glob("*.index"))
        choice = f" Name one of {quoted(found)} in it." if found else ' Name one by its path, as ".../model.ckpt-1000".'
        raise UserError(f'{folder}: it has no file "checkpoint" that names the newest one.{choice}')
    written = state.model_checkpoint_path
    # The file has the path at the time of writing; the folder may have been moved since.
    return written if os.path.exists(f"{written}.index") else os.path.join(folder, os.path.basename(written))


class EasyRecCheckpoint:
    """The variables of a checkpoint by name, partitioned ones whole.

    Attributes:
        prefix: its path without its endings.
        shapes: shape of each variable.
    """

    def __init__(self, prefix: str):
        self.prefix = prefix
        try:
            self._reader: Any = tf.train.load_checkpoint(prefix)
        except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
            raise UserError(f"{prefix}: cannot be read: {_message(error)}") from None
        plain = {name: tuple(shape) for name, shape in self._reader.get_variable_to_shape_map().items()}
        self._parts = _parts(plain)
        parts = {part for names in self._parts.values() for part in names}
        self.shapes: dict[str, tuple[int, ...]] = {name: s for name, s in plain.items() if name not in parts}
        for whole, names in self._parts.items():
            self.shapes[whole] = (sum(plain[name][0] for name in names), *plain[names[0]][1:])

    def step(self) -> int:
        """Returns the number of updates made, 0 if the checkpoint does not tell."""
        return int(self.read(_STEP)) if _STEP in self.shapes else 0

    def read(self, name: str) -> np.ndarray:
        """Returns a variable.

        Raises:
            UserError: the checkpoint is damaged.
        """
        try:
            parts = [self._reader.get_tensor(part) for part in self._parts.get(name, [name])]
        except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
            raise UserError(f"{self.prefix}: {name} cannot be read: {_message(error)}") from None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _message(error: Exception) -> str:
    return getattr(error, "message", None) or str(error)


def _parts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """Returns the names of the parts of each variable that was saved in parts, in order."""
    found: dict[str, dict[int, str]] = {}
    for name, shape in shapes.items():
        match = _PART.match(name)
        if match and shape:
            found.setdefault(match["whole"] + (match["slot"] or ""), {})[int(match["index"])] = name
    return {whole: [parts[index] for index in sorted(parts)] for whole, parts in found.items()}


def _require_unused(model_dir: str) -> None:
    path = Path(model_dir)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(
            f'model_dir "{model_dir}" is in use already. A checkpoint is imported into one that is new or empty: '
            "name another, --set model_dir=..."
        )


@dataclass(frozen=True)
class _Target:
    """A parameter, or a slot of one, that may be overwritten."""

    name: str
    parameter: Parameter
    variable: tf.Variable
    is_slot: bool


def _targets(ranker: Ranker, optimizers: Optimizers) -> Iterator[_Target]:
    for name, parameter in ranker.parameters.items():
        yield _Target(name, parameter, parameter.variable, is_slot=False)
        for slot_name, slot in optimizers.slots_of(parameter.variable).items():
            yield _Target(f"{name}/{slot_name}", parameter, slot, is_slot=True)


def _map(targets: list[_Target], there: EasyRecCheckpoint, report: ImportReport, fresh_optimizer: bool) -> None:
    """Overwrites what the checkpoint has, and writes down what became of everything."""
    for target in targets:
        if is_count_of_norm(target.name):
            continue
        found = None if fresh_optimizer and target.is_slot else name_there(target.name, there.shapes)
        if target.is_slot and found is not None and there.shapes[found] != target.parameter.shape:
            found = None
        if found is None:
            (report.fresh_slots if target.is_slot else report.fresh).append(target.name)
        else:
            (report.slots if target.is_slot else report.parameters)[target.name] = found
    _require_fit(targets, there, report)
    for target in targets:
        _overwrite(target, there, report)
    taken = {*report.parameters.values(), *report.slots.values()}
    for name in sorted(there.shapes.keys() - taken):
        if name.rpartition("/")[0] in there.shapes:
            report.unused_slots.append(name)
        elif not is_bookkeeping(name):
            report.unused.append(name)


def _require_fit(targets: list[_Target], there: EasyRecCheckpoint, report: ImportReport) -> None:
    shapes = {target.name: target.parameter.shape for target in targets if not target.is_slot}
    conflicts = [
        f"{found} is {there.shapes[found]} there, {name} is {shapes[name]} in the config"
        for name, found in report.parameters.items()
        if there.shapes[found] != shapes[name]
    ]
    if not report.parameters:
        conflicts = [f"it has none of the names of this model; it has {quoted(sorted(there.shapes), limit=5)}"]
    if conflicts:
        rest = f"\n  and {len(conflicts) - 20} more" if len(conflicts) > 20 else ""
        lines = "".join(f"\n  {conflict}" for conflict in conflicts[:20])
        raise UserError(
            f"{there.prefix}: this checkpoint is of another model than the config:{lines}{rest}\n"
            "Use the config that it was trained with."
        )


def _overwrite(target: _Target, there: EasyRecCheckpoint, report: ImportReport) -> None:
    if is_count_of_norm(target.name):
        norm = target.name.removesuffix("/count")
        if f"{norm}/moving_mean" in report.parameters:
            target.parameter.assign(tf.fill(target.parameter.shape, CONVERGED))
            report.converged.append(norm)
        return
    found = (report.slots if target.is_slot else report.parameters).get(target.name)
    if found is not None:
        target.parameter.assign(there.read(found).astype(np.float32, copy=False), target.variable)
