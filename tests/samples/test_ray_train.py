"""The recipe for Ray, with a Ray that runs what it is given in this process: arguments, and how mistakes end."""

import os
import runpy
import sys
from pathlib import Path
from tempfile import gettempdir
from types import ModuleType, SimpleNamespace

import pytest

import easymtl.cli

RECIPE = Path(__file__).parents[2] / "samples" / "several_machines" / "ray_train.py"


class Trainer:
    """Runs the function of a worker once, in another folder as Ray does."""

    made: list["Trainer"] = []

    def __init__(self, function, train_loop_config, scaling_config, run_config):
        self.function, self.settings = function, train_loop_config
        self.scaling, self.run = scaling_config, run_config
        Trainer.made.append(self)

    def fit(self):
        os.chdir(gettempdir())
        self.function(self.settings)


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    """Runs the recipe with words, and returns what `easymtl` and Ray were given."""
    for name in ("ray", "ray.train", "ray.train.tensorflow"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    begun, commands = [], []
    sys.modules["ray"].init = lambda: begun.append(True)
    for name in ("FailureConfig", "RunConfig", "ScalingConfig"):
        setattr(sys.modules["ray.train"], name, SimpleNamespace)
    sys.modules["ray.train.tensorflow"].TensorflowTrainer = Trainer
    monkeypatch.setattr(Trainer, "made", [])

    monkeypatch.chdir(tmp_path)

    def run(code, *words):
        monkeypatch.setattr(easymtl.cli, "main", lambda command: commands.append((command, os.getcwd())) or code)
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(RECIPE), run_name="__main__")
        assert begun and ended.value.code == 0
        [(command, folder)] = commands
        assert folder == str(tmp_path), "paths are those of who has started it"
        return command, Trainer.made[-1]

    # What the recipe makes of it is undone.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    return run


def test_what_is_no_flag_of_ray_goes_to_the_command(recipe):
    flags = ("--workers", "4", "--cpus", "6", "--gpu", "--storage", "/shared")
    command, trainer = recipe(0, "rank.config", "--set", "a=b", *flags)
    assert command == ["train", "rank.config", "--set", "a=b"]
    assert vars(trainer.scaling) == {"num_workers": 4, "use_gpu": True, "resources_per_worker": {"CPU": 6}}
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "6"
    assert trainer.run.storage_path == "/shared" and vars(trainer.run.failure_config) == {"max_failures": 3}


@pytest.mark.parametrize(
    ("code", "says"), [(2, "exit code 2: a mistake in the command"), (75, "exit code 75: see the log of the worker")]
)
def test_a_worker_that_fails_fails_its_training(recipe, code, says):
    with pytest.raises(RuntimeError, match=says):
        recipe(code, "rank.config", "--restarts", "0")
