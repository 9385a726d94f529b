"""The commands and config parts of docs/guides/quality.md are right, and the census samples are its recipe."""

import re
import shlex
from pathlib import Path

import pytest
from google.protobuf import text_format

from easymtl.cli import build_parser
from easymtl.config import load_config
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/quality.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    easymtl (.+)$", GUIDE, re.MULTILINE)
TOWERS = re.findall(r"^    (task_towers \{.*?)^    \}", GUIDE, re.MULTILINE | re.DOTALL)


def recipe_of(pipeline: Pipeline):
    (optimizer,) = pipeline.train_config.optimizer_config
    (group,) = pipeline.model_config.feature_groups
    return optimizer.adam_optimizer.learning_rate, group.feature_dropout_rate


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_ones(command):
    assert build_parser().parse_args(shlex.split(command)).verb == "compare"


def test_towers_are_ones():
    assert len(TOWERS) == 2
    for text in TOWERS:
        tower = text_format.Parse(text.partition("{")[2], TaskTower())
        assert tower.HasField("post_calibration") or tower.negative_sampling_rate < 1


@pytest.mark.parametrize(
    "path", sorted((ROOT / "samples/configs").glob("*_on_census.config")), ids=lambda one: one.stem
)
def test_census_samples_are_the_recipe_for_all_steps_of_their_training(path):
    text = GUIDE[GUIDE.index("    train_config {") : GUIDE.index("**The rate**")]
    shown = text_format.Parse(text.replace("[...]", "[]"), Pipeline())
    pipeline = load_config(str(path)).pipeline
    assert recipe_of(pipeline) == recipe_of(shown)
    steps = 60_000 * pipeline.data_config.num_epochs / pipeline.data_config.batch_size
    schedule = recipe_of(pipeline)[0].cosine_decay_learning_rate
    assert schedule.total_steps == int(steps)
    assert schedule.warmup_steps == pytest.approx(0.05 * steps, abs=1)
