"""Trains a network of torch-rechub on arrays in memory and tells its speed; runs in an environment of its own.

    python torch_rechub_fit.py WORK_FOLDER

The folder holds `data.npz` and `network.json` (see benchmarks/peer_data.py). Prints a line of JSON when it is ready,
and one for each number of seconds that it reads. Batches are slices of tensors in memory, which is faster than the
library's own loader; the update is that of its trainer.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom


def main() -> None:
    """Trains and prints."""
    folder = Path(sys.argv[1])
    data, network = dict(np.load(folder / "data.npz")), json.loads((folder / "network.json").read_text())
    features = [make_feature(feature) for feature in network["features"]]
    model = make_model(network, features)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    loss = torch.nn.BCELoss()
    tensors = {feature["name"]: torch.from_numpy(data[feature["name"]]) for feature in network["features"]}
    labels = torch.from_numpy(data["labels"]).float()
    size, num_rows = network["batch_size"], len(labels)
    model.train()

    def update(step):
        start = step * size % (num_rows - size + 1)
        batch = {name: tensor[start : start + size] for name, tensor in tensors.items()}
        found = model(batch)
        total = sum(loss(found[:, task], labels[start : start + size, task]) for task in range(2)) / 2
        model.zero_grad()
        total.backward()
        optimizer.step()
        total.item()

    update(0)
    print(json.dumps({"weights": sum(parameter.numel() for parameter in model.parameters())}), flush=True)
    for line in sys.stdin:
        for step in range(network["warm_up"]):
            update(step)
        steps, begin = 0, time.perf_counter()
        while steps < network["least_steps"] or time.perf_counter() - begin < float(line):
            update(steps)
            steps += 1
        rate = steps * size / (time.perf_counter() - begin)
        print(json.dumps({"examples_per_second": rate}), flush=True)


def make_feature(feature):
    """Returns a feature of the library."""
    if feature["kind"] == "dense":
        return DenseFeature(feature["name"])
    kind, options = (SequenceFeature, {"pooling": "sum"}) if feature["kind"] == "bag" else (SparseFeature, {})
    return kind(feature["name"], vocab_size=feature["rows"] + 1, embed_dim=feature["width"], padding_idx=0, **options)


def make_model(network, features):
    """Returns the module of a network."""
    tasks = ["classification"] * 2
    towers = [{"dims": network["towers"]}] * 2
    if network["model"] == "shared_bottom":
        return SharedBottom(features, tasks, {"dims": network["bottom"]}, towers)
    expert = {"dims": network["expert"]}
    if network["model"] == "mmoe":
        return MMOE(features, tasks, network["experts"], expert, towers)
    return PLE(features, tasks, network["levels"], network["task_experts"], network["shared_experts"], expert, towers)


if __name__ == "__main__":
    main()
