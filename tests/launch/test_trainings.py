"""Two workers that are killed, started again, stopped and continued end as two that nothing has happened to."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from easymtl.checkpoints.lock import TrainingLock
from tests.launch.launched import Launch
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.slow

STEPS = 300


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path
    write_data(folder)
    settings = (f"num_steps={STEPS}", "save_checkpoints_steps=100", "log_step_count_steps=50", "save_summary_steps=0")
    config = small_config(folder, *(f"train_config.{text}" for text in settings), "export_config.exporter_type=none")
    (folder / "x.config").write_text(config.text())
    return folder


def weights(folder: Path, model_dir: str) -> dict[str, bytes]:
    place = folder / model_dir / "checkpoints" / f"step-{STEPS:09d}"
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name.startswith("weights")}


def test_a_worker_that_is_killed_and_all_that_are_stopped_change_nothing(folder):
    Launch(folder, "train", "x.config", "--model_dir", "a").end()
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
