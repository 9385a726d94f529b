"""Numbers that go wrong: what to say when a loss, a gradient or a weight is not finite, and where that began.

An update is not made when its loss, gradients or statistics are not finite (see `make_train_step`), so the weights are
those that the batch met, and one more pass over it, step by step, finds the layer in which it began.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.data.blocks import Source
from easymtl.data.feed import MIN_WINDOW_ROWS
from easymtl.data.order import WHOLE, Cursor, Share
from easymtl.data.places import place_of_rows
from easymtl.data.rows import Rows
from easymtl.data.windows import Batch
from easymtl.errors import UserError
from easymtl.layers.context import Call, Parameter, Pending
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.bad_batch import EXTREME, odd_columns, write_batch
from easymtl.training.odd_layers import GRADIENT, odd_layers

_MOST_LINES = 3
_NUMBERS_PER_READ = 1 << 24


@dataclass(frozen=True)
class BadStep:
    """What was found out about a step that was refused.

    Attributes:
        step: number of updates, including the one that was not made.
        what: what is not finite.
        place: where the rows of the batch are.
        kept: the file that has them, or why there is none.
        suspects: what is odd with batch, weights, layers and gradients.
        last_good: which checkpoint is there.
        has_rows: whether there is anything in the batch to be suspected.
    """

    step: int
    what: str
    place: str
    kept: str
    suspects: tuple[str, ...]
    last_good: str
    has_rows: bool = True

    def error(self, why_stopped: str = "") -> UserError:
        """Returns what to say when training ends of it.

        Args:
            why_stopped: why, where a training goes on behind some bad batches; may be empty.
        """
        lines = [
            f"Step {self.step}: {self.what}.",
            *([f"  {why_stopped}."] if why_stopped else []),
            f"  batch: {self.place}",
            f"  kept in: {self.kept}",
            *(f"  suspect: {line}" for line in self.suspects),
            f"  weights: this update was not made; {self.last_good}",
            "Correct or scale the data that is named (RawFeature: min_val and max_val, or normalizer_fn), lower the "
            "learning rate, or set train_config.gradient_clipping_by_norm; then train again.",
        ]
        return UserError("\n".join(lines))

    def text(self) -> str:
        """Returns what to say when training goes on: a sentence or two."""
        suspects = f" Suspect: {'; '.join(self.suspects)}." if self.suspects else ""
        return f"step {self.step} was not made: {self.what}. Batch: {self.place}, kept in {self.kept}.{suspects}"


def diagnose(
    pipeline: Pipeline,
    ranker: Ranker,
    source: Source,
    batch: Batch,
    before: Cursor | None,
    step: int,
    losses: Mapping[str, tf.Tensor],
    dtype: tf.DType,
    name: str,
    share: Share = WHOLE,
) -> BadStep:
    """Finds out what is wrong with a step that was refused for a number that is not finite, and keeps its batch.

    Args:
        pipeline: of the training.
        ranker: with the weights that the batch met.
        source: where the batch came from; nobody else reads it meanwhile.
        batch: of the step.
        before: the position in the data before it.
        step: number of updates, including the one that was not made.
        losses: of the step, by name.
        dtype: the precision of training.
        name: of the file in the model_dir that keeps the batch.
        share: of the data that the batch is from.
    """
    seed = tf.constant([pipeline.train_config.seed, step - 1], tf.int64)
    statistics = Pending()
    call = Call(training=True, dtype=dtype, seed=seed, pending=statistics)
    trained = {name: parameter for name, parameter in ranker.parameters.items() if parameter.variable.trainable}
    odd_of_layers = list(odd_layers(ranker, batch.rows, call))
    if not batch.rows.num_rows:
        what = _what(ranker, losses, "the gradients")
        return BadStep(step, what, "no rows", "nowhere: it had no rows", (), _last_good(pipeline), has_rows=False)
    odd_statistics = list(_odd_statistics(ranker, statistics))
    is_statistic = bool(odd_statistics) and not any(line.startswith(GRADIENT) for line in odd_of_layers)
    suspects = [
        *_few(odd_columns(batch.rows, ranker.feature_set, ranker.number_columns), "columns of the batch"),
        *_few(_odd_parameters(trained), "parameters"),
        *_few(odd_of_layers, "gradients"),
        *_few(odd_statistics, "statistics"),
    ]
    return BadStep(
        step,
        _what(ranker, losses, "the statistics of norms" if is_statistic else "the gradients"),
        _place(pipeline, source, batch, before, share),
        _keep(Path(pipeline.model_dir) / name, ranker, batch.rows),
        tuple(suspects),
        _last_good(pipeline),
    )


def of_all_workers(own: BadStep, peers: Peers) -> BadStep:
    """Returns what the first worker has found that has a suspect in its rows, or else the first that has rows."""
    if not peers.are_several:
        return own
    found = [BadStep(**{**one, "suspects": tuple(one["suspects"])}) for one in peers.share(asdict(own))]
    with_rows = [index for index, one in enumerate(found) if one.has_rows]
    guilty = next((index for index in with_rows if found[index].suspects), with_rows[0])
    return replace(found[guilty], place=f"of worker {guilty}: {found[guilty].place}")


def require_finite_weights(
    pipeline: Pipeline, parameters: Mapping[str, Parameter], step: int, peers: Peers = ONE
) -> None:
    """Checks the weights before they become a checkpoint.

    Args:
        pipeline: of the training.
        parameters: by name; of tables that are dealt out each worker has other rows.
        step: updates made.
        peers: all workers have to ask.

    Raises:
        UserError: some are not finite; on all workers.
    """
    is_finite = all(_is_finite(parameter) for parameter in parameters.values())
    if not peers.agree(not is_finite):
        return
    of_all = peers.share([] if is_finite else list(_odd_parameters(parameters)))
    found = _few(dict.fromkeys(line for of_one in of_all for line in of_one), "parameters")
    raise UserError(
        f"Step {step}: weights are not finite and were not saved ({_last_good(pipeline)}): "
        f"{'; '.join(found)}. "
        "Look for extreme values in the data, lower the learning rate, or set train_config.gradient_clipping_by_norm."
    )


def _few(lines: Iterable[str], noun: str) -> list[str]:
    """Returns the first lines, and how many more there are."""
    found = list(lines)
    rest = [f"{len(found) - _MOST_LINES} more {noun}"] if len(found) > _MOST_LINES else []
    return found[:_MOST_LINES] + rest


def _what(ranker: Ranker, losses: Mapping[str, tf.Tensor], others: str) -> str:
    values = {name: float(value) for name, value in losses.items() if name != "loss"}
    bad = {name: value for name, value in values.items() if not np.isfinite(value)}
    if not bad:
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        return f"{others} are not finite, the losses still are ({shown})"
    towers = [task.name for task in ranker.tasks if bad.keys() & set(task.loss_names)]
    shown = ", ".join(f"{name} {value:g}" for name, value in bad.items())
    of = f" of {'task' if len(towers) == 1 else 'tasks'} {', '.join(towers)}" if towers else ""
    return f"the loss{of} is not finite ({shown})"


def _place(pipeline: Pipeline, source: Source, batch: Batch, before: Cursor | None, share: Share) -> str:
    data = pipeline.data_config
    begin = before or Cursor()
    window = max(data.shuffle_buffer_size, MIN_WINDOW_ROWS)
    seed = pipeline.train_config.seed
    try:
        return place_of_rows(source, begin, batch.cursor, batch.rows.num_rows, data.shuffle, seed, window, share)
    except UserError as error:
        return f"{begin.to_dict()} ({error})"


def _keep(path: Path, ranker: Ranker, rows: Rows) -> str:
    try:
        write_batch(path, rows, ranker.feature_set, ranker.number_columns)
    except UserError as error:
        return f"nowhere: {error}"
    return str(path)


def _last_good(pipeline: Pipeline) -> str:
    latest = CheckpointFolder(pipeline.model_dir).latest()
    return f"the last good checkpoint is {latest.path}" if latest else "there is no checkpoint yet"


def _parts(parameter: Parameter) -> Iterator[tf.Tensor]:
    """Yields the value piece by piece: a table can be as large as the memory that is left."""
    rows = max(_NUMBERS_PER_READ // max(int(np.prod(parameter.variable.shape[1:])), 1), 1)
    end = parameter.begin + parameter.num_rows
    for begin in range(parameter.begin, end, rows):
        yield tf.gather(parameter.variable, tf.range(begin, min(begin + rows, end)))


def _is_finite(parameter: Parameter) -> bool:
    # A sum is the cheapest pass; when it overflows, the numbers are looked at one by one.
    return all(np.isfinite(float(tf.reduce_sum(part))) or _all_finite(part) for part in _parts(parameter))


def _all_finite(tensor: tf.Tensor) -> bool:
    return bool(tf.reduce_all(tf.math.is_finite(tensor)))


def _odd_parameters(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Yields a line for each parameter that holds numbers that are not finite, then for the extreme ones."""
    bad, extreme = [], []
    for name, parameter in parameters.items():
        num_bad, largest = 0, 0.0
        for part in _parts(parameter):
            values = part.numpy()
            finite = np.isfinite(values)
            num_bad += int(values.size - finite.sum())
            largest = max(largest, float(np.abs(values, where=finite, out=np.zeros_like(values)).max(initial=0.0)))
        if num_bad:
            bad.append(f"parameter {name}: {num_bad:,} of its weights are not finite")
        elif largest > EXTREME:
            extreme.append(f"parameter {name}: has weights up to {largest:g}")
    yield from bad
    yield from extreme


def _odd_statistics(ranker: Ranker, statistics: Pending) -> Iterator[str]:
    """Yields the statistics that the batch would have left behind."""
    for name, parameter in ranker.parameters.items():
        is_moved = parameter.variable in statistics and _is_finite(parameter)
        if is_moved and not _all_finite(parameter.read(statistics.read(parameter.variable))):
            yield f"the statistic {name}"
