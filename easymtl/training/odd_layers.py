"""Where in a model numbers go wrong: the first layer whose output is odd, or the gradients that are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call
from easymtl.tasks.ranker import Ranker
from easymtl.training.bad_batch import EXTREME

GRADIENT = "the gradient of"


def odd_layers(ranker: Ranker, rows: Rows, call: Call) -> Iterator[str]:
    """Runs the model once more and yields the first layer whose output is odd, or the gradients that are.

    Of no rows it yields nothing; but rows of tables that are dealt out are looked up by all workers together.
    """
    outputs: dict[str, np.ndarray] = {}

    def observe(name: str, output: tf.Tensor) -> None:
        outputs.setdefault(name, tf.cast(output, tf.float32).numpy())

    batch = {name: tf.constant(value) for name, value in to_tensors(ranker.feature_set.growing.assign(rows)).items()}
    lookups = ranker.embeddings.lookup(batch)
    if not rows.num_rows:
        return
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
                yield f"{GRADIENT} the tables of width {width}"


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
            yield f"{GRADIENT} {name}"


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

    Layers know nothing of this: it puts itself between the classes and their calls, which belong to nobody else
    meanwhile: steps are traced by now, and made in this thread.
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
