"""The variables of a checkpoint by name, whoever has written it: EasyRec, or a training of ours.

EasyRec saves a TensorFlow 1 checkpoint, `model.ckpt-1000.index` beside its data files, by the names of variables.
Partitioned variables are one name there, which TensorFlow's reader puts together; where something else has saved the
parts under names of their own (`.../part_0`), they are put together here.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder, DamagedCheckpoint
from easymtl.checkpoints.integrity import Beat
from easymtl.checkpoints.saved_averages import STATE, caught_up
from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT
from easymtl.checkpoints.stored_tensors import READ_ERRORS, StoredTensors, slice_text
from easymtl.config.starting_weights import is_own, without_ending
from easymtl.errors import UserError, quoted

_STEP = "global_step"
_PART = re.compile(r"^(?P<whole>.+)/part_(?P<index>\d+)(?P<slot>/[^/]+)?$")
_NUMBERED = re.compile(r"-(\d+)$")


class SavedVariables:
    """The variables of a checkpoint by name, partitioned ones whole, moving averages as of its step.

    Attributes:
        prefix: its path without its endings.
        shapes: shape of each variable.
        state: what a checkpoint of ours says beside its weights; empty of EasyRec's.
    """

    def __init__(self, prefix: str, state: Mapping[str, Any] | None = None):
        """Reads names and shapes.

        Raises:
            UserError: they cannot be read.
        """
        self.prefix, self.state = prefix, state or {}
        self._own = own = StoredTensors(Path(prefix).parent) if self.state else None
        try:
            reader: Any = None if own else tf.train.load_checkpoint(prefix)
        except READ_ERRORS as error:
            raise UserError(f"{prefix}: cannot be read: {_message(error)}") from None
        self._reader = reader
        shapes = own.shapes if own else reader.get_variable_to_shape_map()
        self._tensor: Callable[[str], np.ndarray] = own.read if own else reader.get_tensor
        plain = {name: tuple(shape) for name, shape in shapes.items()}
        self._parts = _parts(plain)
        parts = {part for names in self._parts.values() for part in names}
        self._by_rows = {name.removesuffix(f"/{UPDATED_AT}") for name in plain if name.endswith(f"/{UPDATED_AT}")}
        hidden = parts | {f"{table}/{UPDATED_AT}" for table in self._by_rows}
        self.shapes: dict[str, tuple[int, ...]] = {name: s for name, s in plain.items() if name not in hidden}
        for whole, names in self._parts.items():
            self.shapes[whole] = (sum(plain[name][0] for name in names), *plain[names[0]][1:])

    def step(self) -> int:
        """Returns the number of updates made, 0 if the checkpoint does not tell."""
        if "step" in self.state:
            return int(self.state["step"])
        return int(self.read(_STEP)) if _STEP in self.shapes else 0

    def read(self, name: str) -> np.ndarray:
        """Returns a variable.

        Raises:
            UserError: the checkpoint is damaged.
        """
        table, _, slot = name.rpartition("/")
        if slot == AVERAGE and table in self._by_rows:
            num_updates = self.step() - self._read(f"{table}/{UPDATED_AT}")
            return caught_up(self._read(name), self._read(table), num_updates, self.state[STATE]["embedding"]).numpy()
        return self._read(name)

    def load(self, name: str, dtype: tf.DType, begin: int = 0, num_rows: int | None = None) -> tf.Tensor:
        """Returns some rows of a variable, of which no more are read where it is one tensor.

        Args:
            name: of the variable.
            dtype: what they are returned in.
            begin: the first row.
            num_rows: None for all.

        Raises:
            UserError: the checkpoint is damaged.
        """
        if name in self._parts:
            return tf.cast(self.read(name)[begin : None if num_rows is None else begin + num_rows], dtype)
        table, _, slot = name.rpartition("/")
        if slot == AVERAGE and table in self._by_rows:
            average, rows = (self._load(one, dtype, begin, num_rows) for one in (name, table))
            num_updates = self.step() - self._load(f"{table}/{UPDATED_AT}", tf.int64, begin, num_rows)
            return caught_up(average, rows, num_updates, self.state[STATE]["embedding"])
        return self._load(name, dtype, begin, num_rows)

    def _load(self, name: str, dtype: tf.DType, begin: int, num_rows: int | None) -> tf.Tensor:
        try:
            if self._own:
                return self._own.load(name, dtype, begin, num_rows)
            [rows] = tf.raw_ops.RestoreV2(
                prefix=self.prefix,
                tensor_names=[name],
                shape_and_slices=[slice_text(self.shapes[name], begin, num_rows)],
                dtypes=[tf.as_dtype(self._reader.get_variable_to_dtype_map()[name])],
            )
            return tf.cast(rows, dtype)
        except READ_ERRORS as error:
            raise UserError(f"{self.prefix}: {name} cannot be read: {_message(error)}") from None

    def _read(self, name: str) -> np.ndarray:
        try:
            parts = [self._tensor(part) for part in self._parts.get(name, [name])]
        except READ_ERRORS as error:
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


def open_checkpoint(source: str, beat: Beat = lambda: None) -> SavedVariables:
    """Opens a checkpoint of EasyRec or of ours.

    Args:
        source: EasyRec's `.../model.ckpt-1000`, one of its files, or a folder of which the newest one is taken; or a
            model_dir of ours, its newest whole checkpoint, or the folder of one checkpoint.
        beat: is called every few megabytes that are read.

    Raises:
        UserError: there is none, or it is damaged.
    """
    own = _own(Path(without_ending(source)), beat)
    return SavedVariables(own.prefix, own.state()) if own else SavedVariables(find_prefix(source))


def open_easyrec_checkpoint(source: str) -> SavedVariables:
    """Opens a checkpoint of EasyRec.

    Raises:
        UserError: there is none, it is damaged, or one of ours.
    """
    if is_own(source):
        raise UserError(
            f"{source}: this is a checkpoint of easymtl, so there is nothing to import. Name its model_dir in "
            f"the config to evaluate, export or train on, or begin a new training with --fine_tune_checkpoint {source}"
        )
    return SavedVariables(find_prefix(source))


def _own(path: Path, beat: Beat) -> Checkpoint | None:
    """Returns the checkpoint of ours that a path names, None where it names no such."""
    folder = path.parent if path.name == "weights" else path
    if (folder / "state.json").is_file():
        checkpoint = Checkpoint(folder, 0)
        checkpoint.check(beat)
        return checkpoint
    for model_dir in (path, path.parent) if path.name == "checkpoints" else (path,):
        checkpoints = CheckpointFolder(model_dir).all()
        if checkpoints:
            return _newest_whole(checkpoints, beat)
    return None


def _newest_whole(checkpoints: list[Checkpoint], beat: Beat) -> Checkpoint:
    problems = []
    for checkpoint in reversed(checkpoints):
        try:
            checkpoint.check(beat)
        except DamagedCheckpoint as error:
            problems.append(str(error))
            continue
        return checkpoint
    raise UserError(f"{checkpoints[0].path.parent}: no checkpoint is whole ({'; '.join(problems)}).")


def find_prefix(source: str) -> str:
    """Returns the path of a checkpoint of EasyRec without its endings.

    Raises:
        UserError: there is none.
    """
    prefix = _newest_in(source) if os.path.isdir(source) else without_ending(source)
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
        return _highest_in(folder)
    written = state.model_checkpoint_path
    # The file has the path at the time of writing; the folder may have been moved since.
    return written if os.path.exists(f"{written}.index") else os.path.join(folder, os.path.basename(written))


def _highest_in(folder: str) -> str:
    """Returns the checkpoint of the highest step in a folder that does not say which is the newest."""
    found = sorted(path.stem for path in Path(folder).glob("*.index"))
    steps = {int(match[1]): name for name in found if (match := _NUMBERED.search(name))}
    if steps and len(steps) == len(found):
        return os.path.join(folder, steps[max(steps)])
    choice = f" Name one of {quoted(found)} in it." if found else ' Name one by its path, as ".../model.ckpt-1000".'
    raise UserError(f'{folder}: it has no file "checkpoint" that names the newest one.{choice}')
