"""Trains a network of DeepCTR on arrays in memory and prints its speed; runs in an environment of its own.

    python deepctr_fit.py WORK_FOLDER

The folder holds `data.npz` and `network.json` (see benchmarks/peer_data.py). Prints one line of JSON.
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
    """Trains and prints."""
    folder = Path(sys.argv[1])
    data, network = dict(np.load(folder / "data.npz")), json.loads((folder / "network.json").read_text())
    columns, inputs = [], {}
    for feature in network["features"]:
        name = feature["name"]
        inputs[name] = data[name]
        if feature["kind"] == "dense":
            columns.append(DenseFeat(name, 1))
            continue
        sparse = SparseFeat(name, feature["rows"] + 1, embedding_dim=feature["width"])
        is_bag = feature["kind"] == "bag"
        columns.append(VarLenSparseFeat(sparse, maxlen=data[name].shape[1], combiner="sum") if is_bag else sparse)
    model = make_model(network, columns)
    model.compile("adam", ["binary_crossentropy"] * 2)
    clock = Clock()
    rows = network["batch_size"] * (network["warm_up"] + network["steps"])
    repeats = -(-rows // len(data["labels"]))
    inputs = {name: np.concatenate([array] * repeats)[:rows] for name, array in inputs.items()}
    labels = np.concatenate([data["labels"]] * repeats)[:rows]
    model.fit(inputs, [labels[:, 0], labels[:, 1]], network["batch_size"], epochs=1, verbose=0, callbacks=[clock])
    seconds = clock.ends[-1] - clock.ends[network["warm_up"] - 1]
    steps = len(clock.ends) - network["warm_up"]
    weights = int(sum(np.prod(w.shape) for w in model.trainable_weights))
    print(json.dumps({"examples_per_second": steps * network["batch_size"] / seconds, "weights": weights}))


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
