"""What is said before a training begins: of numbers without a scale, and of a config that has changed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.api.data_notes import scale_notes
from easymtl.api.start_hints import changed_config, start_hints
from easymtl.config import load_config
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.synth import write
from tests.training.small_runs import CONFIG, write_data

ROWS = 500
RANDOM = np.random.default_rng(5)
PIPELINE = """
data_config { label_fields: "click" }
model_config {
  feature_groups { group_name: "all" feature_names: "f" }
  simple_multi_task { task_towers { tower_name: "ctr" label_name: "click" } }
}
"""


def scales(values, feature: str = "", kind: str = "RawFeature", num_rows: int = ROWS) -> list[str]:
    pipeline = text_format.Parse(PIPELINE, Pipeline())
    text = f'feature_name: "f" input_names: "x" feature_type: {kind} {feature}'
    text_format.Parse(text, pipeline.feature_config.features.add())
    return scale_notes(pa.record_batch({"x": pa.array(values)}).slice(0, num_rows), pipeline)


AMOUNTS = RANDOM.lognormal(6.0, 1.5, ROWS)
TEMPERATURES = RANDOM.normal(300.0, 20.0, ROWS)


def test_large_numbers_are_told_with_what_to_write():
    (text,) = scales(AMOUNTS)
    assert text.startswith('the feature "f" is a number of up to ')
    assert 'Give it normalizer_fn: "log1p", or boundaries' in text
    (text,) = scales(TEMPERATURES)
    low, high = np.quantile(TEMPERATURES, [0.01, 0.99])
    assert f"Give it min_val: {low:.4g} max_val: {high:.4g}, or boundaries" in text
    # No logarithm of what may be negative.
    (text,) = scales(np.append(AMOUNTS[1:], -50.0))
    assert "log1p" not in text and "Give it min_val: " in text


def test_a_few_huge_ones_among_small_ones_are_told():
    values = RANDOM.random(ROWS)
    values[3] = 5000.0
    assert len(scales(values)) == 1


@pytest.mark.parametrize(
    "feature", ['normalizer_fn: "log1p"', "min_val: 0 max_val: 1000", "boundaries: [10, 100] embedding_dim: 4"]
)
def test_scaled_numbers_are_not(feature):
    assert scales(AMOUNTS, feature) == []


def test_numbers_of_a_usual_size_are_not_nor_is_what_is_no_number():
    for values in (RANDOM.normal(0, 1, ROWS), RANDOM.integers(0, 99, ROWS), RANDOM.lognormal(0, 1, ROWS)):
        assert scales(values) == []
    assert scales(["17", "99"] * (ROWS // 2), "hash_bucket_size: 10", "IdFeature") == []
    assert scales([None, float("nan")] * (ROWS // 2)) == []
    assert scales([1.0, 2.0]) == []
    assert scales(AMOUNTS, num_rows=10) == [], "ten rows say little"


def test_numbers_that_look_like_ids_are_told_as_such_alone():
    assert scales(RANDOM.integers(10**8, 10**9, ROWS)) == []


@pytest.fixture
def trained(tmp_path):
    """Returns what makes the config of a folder that a training has left, with some text changed."""
    write_data(tmp_path)
    path = tmp_path / "small.config"
    text = CONFIG.format(folder=tmp_path)
    path.write_text(text)
    before = load_config(str(path))
    checkpoint = tmp_path / "model" / "checkpoints" / "step-000000003"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}")
    (tmp_path / "model" / "pipeline.config").write_text(before.text())

    def changed(old: str, new: str, *overrides: str):
        assert old in text
        path.write_text(text.replace(old, new))
        return load_config(str(path), overrides)

    return changed


def test_the_same_config_is_no_word_worth(trained):
    assert list(changed_config(trained("seed: 5", "seed: 5"))) == []
    assert list(changed_config(trained("mixed_precision: FLOAT32", "mixed_precision: AUTO"))) == [], "it stays"


def test_the_same_folder_under_another_name_is_no_change(trained, tmp_path):
    config = trained("seed: 5", "seed: 5", f"model_dir={tmp_path}/../{tmp_path.name}/model")
    assert list(changed_config(config)) == []


def test_what_has_changed_is_listed(trained):
    (text,) = changed_config(trained("learning_rate: 0.01 ", "learning_rate: 0.02 "))
    assert text.startswith("Hint: the config has changed since ")
    assert text.endswith("constant_learning_rate.learning_rate: 0.01 -> 0.02")


def test_of_other_data_and_lengths_the_names_are_enough(trained):
    (text,) = changed_config(trained("num_steps: 6", "num_steps: 12", "train_input_path=other.csv"))
    assert text == "Training on with another train_input_path, train_config.num_steps."
    assert len(list(changed_config(trained("num_steps: 6", "num_steps: 12", "train_config.seed=9")))) == 2


def test_of_many_changes_some_are_shown(trained):
    overrides = [
        "train_config.seed=9", "data_config.batch_size=64", "data_config.shuffle=false",
        "model_config.embedding_regularization=0.1", "train_config.log_step_count_steps=7",
        "train_config.save_checkpoints_steps=4", "train_config.keep_checkpoint_max=2",
    ]  # fmt: skip
    (text,) = changed_config(trained("seed: 5", "seed: 5", *overrides))
    assert text.endswith("; and 2 more")


def test_a_new_folder_and_one_that_cannot_be_read_are_no_word_worth(trained, tmp_path):
    config = trained("seed: 5", "seed: 6")
    (tmp_path / "model" / "pipeline.config").write_text("{{{")
    assert list(changed_config(config)) == []
    (tmp_path / "model" / "pipeline.config").unlink()
    assert list(changed_config(config)) == []


def test_data_that_cannot_be_read_are_the_business_of_the_training(trained):
    assert list(start_hints(trained("seed: 5", "seed: 5", "train_input_path=nowhere.csv"))) == [
        "Training on with another train_input_path."
    ]


def test_mirrored_strategy_alone_says_how_all_gpus_are_used(trained, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = "train_config.train_distribute=MirroredStrategy"
    *_, hint = start_hints(trained("seed: 5", "seed: 5", strategy, "train_input_path=nowhere.csv"))
    assert hint.startswith("train_distribute: MirroredStrategy, and no TF_CONFIG names other workers")
    assert hint.endswith("easymtl launch --workers N -- train ...; without --workers, as many as it has GPUs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["feed", "funnel", "livestream", "taobao", "tenrec"])
def test_the_sample_configs_give_no_cause_for_a_hint(name, tmp_path, monkeypatch):
    configs = sorted((Path(__file__).parents[2] / "samples" / "configs").glob(f"*_on_{name}.config"))
    assert configs
    monkeypatch.chdir(tmp_path)
    write(name, 2000)
    for path in configs:
        assert list(start_hints(load_config(str(path)))) == []
