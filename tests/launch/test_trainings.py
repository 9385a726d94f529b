"""Two workers that are killed, started again, stopped and continued end as two that nothing has happened to."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from easymtl.checkpoints.lock import TrainingLock
from easymtl.config import load_config
from easymtl.training.trainer import Trainer
from tests.launch.launched import Launch
from tests.peers.threads import make_devices, together
from tests.training.small_runs import write_data

pytestmark = pytest.mark.slow

STEPS = 300
# Each process traces it: as small as a network may be that draws of its own in each step.
CONFIG = """
train_input_path: "train.csv"
eval_input_path: "eval.csv"
model_dir: "a"
train_config {
  optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } } }
  num_steps: %d
  save_checkpoints_steps: 100
  log_step_count_steps: 50
  save_summary_steps: 0
  mixed_precision: FLOAT32
}
data_config {
  batch_size: 32
  num_epochs: 0
  label_fields: ["click", "buy"]
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "buy" input_type: INT32 }
  input_fields { input_name: "item" }
  input_fields { input_name: "tags" }
  input_fields { input_name: "price" input_type: FLOAT }
}
feature_config {
  features { input_names: "item" feature_type: IdFeature hash_bucket_size: 400 embedding_dim: 4 }
}
model_config {
  feature_groups { group_name: "all" feature_names: "item" wide_deep: DEEP }
  simple_multi_task {
    task_towers {
      tower_name: "ctr" label_name: "click" metrics_set { auc {} }
      dnn { hidden_units: 4 use_bn: false dropout_ratio: 0.2 }
    }
  }
}
export_config { exporter_type: "none" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_data(tmp_path)
    (tmp_path / "x.config").write_text(CONFIG % STEPS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(folder: Path, model_dir: str) -> dict[str, bytes]:
    place = folder / model_dir / "checkpoints" / f"step-{STEPS:09d}"
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name.startswith("weights")}


def test_a_worker_that_is_killed_and_all_that_are_stopped_change_nothing(folder):
    make_devices()
    together(2, lambda workers: Trainer(load_config("x.config"), lambda event: None, peers=workers).run())
    undisturbed = weights(folder, "a")
    launch = Launch(folder, "train", "x.config", "--model_dir", "b", flags=("--restarts", "1"))
    launch.wait_for(r"^\[worker 0\] Saved .*step-000000100")
    launch.kill_worker(1)
    begin = time.monotonic()
    launch.wait_for(r"^\[worker 0\] easymtl train: worker 1 \(127\.0\.0\.1:\d+\) has ended without a word")
    launch.wait_for(r"^Worker 1 has ended with exit code 137 .*\(restart 1 of 1\)")
    assert time.monotonic() - begin < 30
    launch.wait_for(r"^\[worker 0\] step 200/")
    launch.process.send_signal(signal.SIGTERM)
    text = launch.end()
    [step] = set(re.findall(r"Stopped by SIGTERM at step (\d+)", text))
    assert 200 <= int(step) < STEPS
    assert "Continuing from" in text
    again = Launch(folder, "train", "x.config", "--model_dir", "b").end()
    assert f"Training on from step {step}" in again
    assert undisturbed and weights(folder, "b") == undisturbed


def test_two_launches_in_one_model_dir_are_one_too_many(folder):
    with TrainingLock(folder / "c"):
        launch = Launch(folder, "train", "x.config", "--model_dir", "c", flags=("--restarts", "3"))
        text = "".join(launch.process.stdout)
        assert launch.process.wait() == 2
    assert f"process {os.getpid()} on " in text and "trains since" in text
    assert "restart 1" not in text
