"""Numbers that go wrong: what to say when a loss, a gradient or a weight is not finite, and where that began.

An update is not made when its loss, gradients or statistics are not finite (see `make_train_step`), so the weights are
those that the batch met, and one more pass over it, step by step, finds the layer in which it began.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.data.order import Cursor
from easymtl.data.places import place_of_rows
from easymtl.data.rows import Rows
from easymtl.data.windows import Batch
from easymtl.errors import UserError
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call, Parameter, Pending
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.bad_batch import EXTREME, odd_columns, write_batch
from easymtl.training.inputs import MIN_WINDOW_ROWS, TrainingInput

_MOST_LINES = 3
_GRADIENT = "the gradient of"
_NUMBERS_PER_READ = 1 << 24


def bad_step(
    pipeline: Pipeline,
    ranker: Ranker,
    source: TrainingInput,
    batch: Batch,
    before: Cursor | None,
    step: int,
    losses: Mapping[str, tf.Tensor],
    dtype: tf.DType,
) -> UserError:
    """Returns what to say of a step that was refused for a number that is not finite, and keeps its batch in a file.

    Args:
        pipeline: of the training.
        ranker: with the weights that the batch met.
        source: where the batch came from; its threads are ended.
        batch: of the step.
        before: the position in the data before it.
        step: number of updates, including the one that was not made.
        losses: of the step, by name.
        dtype: the precision of training.
    """
    source.feed.close()
    seed = tf.constant([pipeline.train_config.seed, step - 1], tf.int64)
    statistics = Pending()
    call = Call(training=True, dtype=dtype, seed=seed, pending=statistics)
    trained = {name: parameter for name, parameter in ranker.parameters.items() if parameter.variable.trainable}
    odd_layers = list(_odd_layers(ranker, batch.rows, call))
    odd_statistics = list(_odd_statistics(ranker, statistics))
    is_statistic = bool(odd_statistics) and not any(line.startswith(_GRADIENT) for line in odd_layers)
    suspects = [
        *_few(odd_columns(batch.rows, ranker.feature_set, ranker.number_columns), "columns of the batch"),
        *_few(_odd_parameters(trained), "parameters"),
        *_few(odd_layers, "gradients"),
        *_few(odd_statistics, "statistics"),
    ]
    lines = [
        f"Step {step}: {_what(ranker, losses, 'the statistics of norms' if is_statistic else 'the gradients')}.",
        f"  batch: {_place(pipeline, source, batch, before)}",
        f"  kept in: {_keep(Path(pipeline.model_dir) / f'bad_batch-{step}.parquet', ranker, batch.rows)}",
        *(f"  suspect: {line}" for line in suspects),
        f"  weights: this update was not made; {_last_good(pipeline)}",
        "Correct or scale the data that is named (RawFeature: min_val and max_val, or normalizer_fn), lower the "
        "learning rate, or set train_config.gradient_clipping_by_norm; then train again.",
    ]
    return UserError("\n".join(lines))


def require_finite_weights(pipeline: Pipeline, parameters: Mapping[str, Parameter], step: int) -> None:
    """Checks the weights before they become a checkpoint.

    Raises:
        UserError: some are not finite.
    """
    if all(_is_finite(parameter) for parameter in parameters.values()):
        return
    found = _few(_odd_parameters(parameters), "parameters")
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


def _place(pipeline: Pipeline, source: TrainingInput, batch: Batch, before: Cursor | None) -> str:
    data = pipeline.data_config
    begin = before or Cursor()
    window = max(data.shuffle_buffer_size, MIN_WINDOW_ROWS)
    seed = pipeline.train_config.seed
    try:
        return place_of_rows(source.source, begin, batch.cursor, batch.rows.num_rows, data.shuffle, seed, window)
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


def _odd_layers(ranker: Ranker, rows: Rows, call: Call) -> Iterator[str]:
    """Runs the model once more and yields the first layer whose output is odd, or the gradients that are."""
    outputs: dict[str, np.ndarray] = {}

    def observe(name: str, output: tf.Tensor) -> None:
        outputs.setdefault(name, tf.cast(output, tf.float32).numpy())

    batch = {name: tf.constant(value) for name, value in to_tensors(ranker.feature_set.growing.assign(rows)).items()}
    lookups = ranker.embeddings.lookup(batch)
    dense = ranker.dense_variables
    leaves = [lookup.rows for lookup in lookups.values()]
    with tf.GradientTape(watch_accessed_variables=False) as tape, _observed(_named_layers(ranker), observe):
        tape.watch([*dense, *leaves])
        total = ranker.losses(batch, lookups, call).total
    yield from _first_odd_layer(outputs)
    if np.isfinite(float(total)):
        gradients = tape.gradient(total, [*dense, *leaves], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        yield from _odd_gradients(ranker, dict(zip((variable.ref() for variable in dense), gradients)))
        for width, gradient in zip(lookups, gradients[len(dense) :]):
            if not _is_sound(gradient):
                yield f"{_GRADIENT} the tables of width {width}"


def _odd_statistics(ranker: Ranker, statistics: Pending) -> Iterator[str]:
    """Yields the statistics that the batch would have left behind."""
    for name, parameter in ranker.parameters.items():
        is_moved = parameter.variable in statistics and _is_finite(parameter)
        if is_moved and not _all_finite(parameter.read(statistics.read(parameter.variable))):
            yield f"the statistic {name}"


def _first_odd_layer(outputs: Mapping[str, np.ndarray]) -> Iterator[str]:
    for name, output in outputs.items():
        num_bad = int(output.size - np.isfinite(output).sum())
        if num_bad:
            yield f"layer {name}: the first with an output that is not finite ({num_bad:,} of {output.size:,} numbers)"
            return
        largest = float(np.abs(output).max(initial=0.0))
        if largest > EXTREME:
            yield f"layer {name}: the first with an extreme output (up to {largest:g})"
            return


def _odd_gradients(ranker: Ranker, gradients: Mapping[object, tf.Tensor]) -> Iterator[str]:
    for name, parameter in ranker.parameters.items():
        gradient = gradients.get(parameter.variable.ref())
        if gradient is not None and not _is_sound(parameter.read(gradient)):
            yield f"{_GRADIENT} {name}"


def _is_sound(gradient: tf.Tensor) -> bool:
    return bool(tf.math.is_finite(tf.linalg.global_norm([gradient])))


def _named_layers(ranker: Ranker) -> list[tuple[tf.Module, str]]:
    """Returns all layers that have weights, with the path that their weights share."""
    names: dict[object, list[str]] = {}
    for name, parameter in ranker.parameters.items():
        names.setdefault(parameter.variable.ref(), []).append(name)
    layers = []
    for layer in ranker.model.submodules:
        found = [name for variable in layer.variables for name in names.get(variable.ref(), ())]
        if found and (path := _common_path(found)):
            layers.append((layer, path))
    return layers


def _common_path(names: Sequence[str]) -> str:
    """Returns `ctr/dnn_0` of its kernel and bias, `mmoe/expert_*` of the weights of several experts."""
    first, last = min(names), max(names)
    prefix = first[: next((place for place, pair in enumerate(zip(first, last)) if len(set(pair)) > 1), len(first))]
    return f"{prefix}*" if prefix.endswith("_") else prefix.rpartition("/")[0]


@contextmanager
def _observed(layers: Sequence[tuple[tf.Module, str]], observe: Callable[[str, tf.Tensor], None]) -> Iterator[None]:
    """Hands the outputs of the layers to `observe` while it is entered, in the order in which they are computed.

    Layers know nothing of this: it puts itself between the classes and their calls, which belong to nobody else by
    now, for the training has ended.
    """
    names = {id(layer): path for layer, path in layers}
    classes = {type(layer) for layer, _ in layers}
    originals = {kind: kind.__call__ for kind in classes}

    def watching(original: Callable) -> Callable:
        def call(layer: tf.Module, *arguments: object) -> object:
            output = original(layer, *arguments)
            if id(layer) in names and isinstance(output, tf.Tensor):
                observe(names[id(layer)], output)
            return output

        return call

    for kind, original in originals.items():
        kind.__call__ = watching(original)
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.__call__ = original
