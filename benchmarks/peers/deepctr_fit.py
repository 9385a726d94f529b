"""Trains a network of DeepCTR on arrays in memory and tells its speed; runs in an environment of its own.

    python deepctr_fit.py WORK_FOLDER

The folder holds `data.npz` and `network.json` (see benchmarks/peer_data.py). Prints a line of JSON when it is ready,
and one for each number of seconds that it reads.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from deepctr.feature_column import DenseFeat, SparseFeat, VarLenSparseFeat
from deepctr.models import MMOE, PLE, SharedBottom


class Clock(tf.keras.callbacks.Callback):
    """Notes when each step has ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        """Adds the time."""
        self.ends.append(time.perf_counter())


def main() -> None:
    """Trains as often as it is told to, and prints."""
    folder = Path(sys.argv[1])
    data, network = dict(np.load(folder / "data.npz")), json.loads((folder / "network.json").read_text())
    model = make_model(network, make_columns(network, data))
    model.compile("adam", ["binary_crossentropy"] * 2)
    inputs = {feature["name"]: as_expected(data[feature["name"]]) for feature in network["features"]}
    ends = fit(model, inputs, data["labels"], network["batch_size"], 2)
    print(json.dumps({"weights": int(sum(np.prod(w.shape) for w in model.trainable_weights))}), flush=True)
    warm_up, step_seconds = network["warm_up"], ends[-1] - ends[-2]
    for line in sys.stdin:
        steps = max(int(float(line) / step_seconds), network["least_steps"])
        ends = fit(model, inputs, data["labels"], network["batch_size"], warm_up + steps)
        step_seconds = (ends[-1] - ends[warm_up - 1]) / steps
        print(json.dumps({"examples_per_second": network["batch_size"] / step_seconds}), flush=True)


def fit(model, inputs, labels, batch_size, steps):
    """Makes some steps of `model.fit` and returns when each of them had ended."""
    rows, clock = steps * batch_size, Clock()
    places = np.arange(rows) % len(labels)
    taken = {name: array[places] for name, array in inputs.items()}
    model.fit(taken, list(labels[places].T), batch_size, epochs=1, verbose=0, callbacks=[clock])
    return clock.ends


def as_expected(array):
    """Returns ids in the type of the library's inputs, so that it need not convert them."""
    return array.astype(np.int32) if array.dtype == np.int64 else array


def make_columns(network, data):
    """Returns the feature columns of a network."""
    columns = []
    for feature in network["features"]:
        name = feature["name"]
        if feature["kind"] == "dense":
            columns.append(DenseFeat(name, 1))
            continue
        sparse = SparseFeat(name, feature["rows"] + 1, embedding_dim=feature["width"])
        is_bag = feature["kind"] == "bag"
        columns.append(VarLenSparseFeat(sparse, maxlen=data[name].shape[1], combiner="sum") if is_bag else sparse)
    return columns


def make_model(network, columns):
    """Returns the Keras model of a network."""
    shared = {"dnn_use_bn": True, "tower_dnn_hidden_units": network["towers"]}
    if network["model"] == "shared_bottom":
        return SharedBottom(columns, bottom_dnn_hidden_units=network["bottom"], **shared)
    if network["model"] == "mmoe":
        return MMOE(columns, network["experts"], expert_dnn_hidden_units=network["expert"], **shared)
    levels = {"num_levels": network["levels"], "expert_dnn_hidden_units": network["expert"]}
    return PLE(columns, network["shared_experts"], network["task_experts"], **levels, **shared)


if __name__ == "__main__":
    main()
