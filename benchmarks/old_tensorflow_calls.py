"""Scores rows with all signatures of a SavedModel, by one of two loaders; run as a program of its own, without easymtl.

    python old_tensorflow_calls.py session|function RELOAD.PY    and what RELOAD.PY reads

`session` is what `easymtl/serving/reload.py` does: as servers load. `function` calls what `tf.saved_model.load`
returns.
"""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import tensorflow as tf


def main() -> None:
    """Scores as `reload.py` does."""
    loader, path = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("reload", path)
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    if loader == "function":
        program.scores_of = lambda folder, requests: by_functions(program, folder, requests)
    program.main()


def by_functions(program: ModuleType, folder: str, requests: dict) -> dict:
    """Returns the outputs of each signature, called as a function in Python."""
    # The signatures hold their variables weakly: the model has to stay.
    model = tf.saved_model.load(folder)
    specs = {name: one.structured_input_signature[1] for name, one in model.signatures.items()}

    def ask(name: str, inputs: dict) -> dict:
        # The keyword of an input is not always its name; the spec's name is.
        given = {keyword: tf.constant(inputs[spec.name], spec.dtype) for keyword, spec in specs[name].items()}
        return {key: np.asarray(value) for key, value in model.signatures[name](**given).items()}

    shapes = {
        name: {spec.name: spec.shape.as_list() for spec in by_keyword.values()} for name, by_keyword in specs.items()
    }
    return program.answers(ask, shapes, requests)


if __name__ == "__main__":
    main()
