"""A training from an encoded cache is the one without it, whoever has made the cache and wherever it was stopped."""

import json

import pytest
import tensorflow as tf

from easymtl.training import events, inputs
from tests.training import growing_runs, small_runs
from tests.training.small_runs import of_kind

pytestmark = pytest.mark.usefixtures("op_by_op")

DIRTY = ("data_config.ignore_error=true", "data_config.num_epochs=0")


def encoded(folder):
    return f"data_config.encoded_cache.path={folder}/cache"


@pytest.fixture
def folder(tmp_path):
    small_runs.write_data(tmp_path)
    return tmp_path


def trained(folder, name, *overrides, runs=small_runs):
    """Trains into a folder of its own."""
    result, told = runs.train(folder, f"model_dir={folder}/{name}", *overrides)
    return result, told


def content(result):
    """Returns all that a checkpoint holds, and what was told with it."""
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    arrays = {name: reader.get_tensor(name).tolist() for name in reader.get_variable_to_shape_map()}
    state = json.loads((result.checkpoint.path / "state.json").read_text())
    return arrays, state, result.metrics, result.counts, result.skipped_rows, result.num_examples


def evaluated(told):
    return [
        (event.metrics, event.counts, event.skipped_rows, event.warnings) for event in of_kind(told, events.Evaluated)
    ]


def notes(told):
    return [event.text for event in of_kind(told, events.Note)]


@pytest.mark.parametrize("kept_bytes", [0, inputs.KEPT_BYTES])
def test_weights_metrics_and_counts_are_those_without_it(folder, kept_bytes, monkeypatch):
    monkeypatch.setattr(inputs, "KEPT_BYTES", kept_bytes)
    # A row that is none, one of which hardly anything is there, and one of which a number is missing.
    with (folder / "train.csv").open("a") as opened:
        opened.write("1,x,i3,t1,0.5\n1,,,,\n0,0,i3,t1|t2,\n")
    plain, told = trained(folder, "plain", *DIRTY)
    cold, told_cold = trained(folder, "cold", *DIRTY, encoded(folder))
    warm, told_warm = trained(folder, "warm", *DIRTY, encoded(folder))
    assert content(cold) == content(plain)
    assert content(warm) == content(plain)
    assert evaluated(told_cold) == evaluated(told_warm) == evaluated(told)
    assert plain.skipped_rows == 1 and plain.counts["item"]["missing"] == 1
    assert f'Encoded cache "{folder}/cache": 0 of 1 blocks are there.' in notes(told_cold)
    assert any(
        text.startswith(f'Encoded cache "{folder}/cache": 1 of 1 blocks are there (') for text in notes(told_warm)
    )
    assert [text for text in notes(told_warm) if "Encoded" not in text] == notes(told)


@pytest.mark.parametrize("first, second", [(True, False), (False, True), (True, True)])
def test_a_training_goes_on_with_and_without_it(folder, first, second):
    whole, _ = trained(folder, "whole")
    trained(folder, "parts", "train_config.num_steps=3", *([encoded(folder)] if first else []))
    parts, _ = trained(folder, "parts", *([encoded(folder)] if second else []))
    arrays, state, metrics, *_ = content(parts)
    assert (arrays, state, metrics) == content(whole)[:3]


def test_a_study_of_widths_and_rates_reads_the_data_once(folder):
    trained(folder, "first", encoded(folder))
    rows = list((folder / "cache").rglob("*.rows"))
    wide = [f"feature_config.features[{number}].embedding_dim=6" for number in (0, 1)]
    study = [*wide, "data_config.batch_size=16", "train_config.seed=7"]
    plain, _ = trained(folder, "plain", *study)
    warm, _ = trained(folder, "warm", *study, encoded(folder))
    assert content(warm) == content(plain)
    assert list((folder / "cache").rglob("*.rows")) == rows
    assert len(rows) == 2  # The training data and the evaluation data.


@pytest.mark.slow
def test_ids_that_grow_are_kept_before_they_have_rows(tmp_path):
    growing_runs.write_data(tmp_path)
    plain, _ = trained(tmp_path, "plain", runs=growing_runs)
    for name in ("cold", "warm"):
        result, _ = trained(tmp_path, name, encoded(tmp_path), runs=growing_runs)
        assert content(result) == content(plain)
    assert len(list((tmp_path / "cache").rglob("*.rows"))) == 1


def test_what_the_cache_cannot_do_is_told_and_the_training_goes_on(folder):
    plain, _ = trained(folder, "plain")
    result, told = trained(folder, "small", encoded(folder), "data_config.encoded_cache.max_bytes=10")
    assert content(result) == content(plain)
    (text,) = [text for text in notes(told) if text.startswith("Warning: Encoded cache")]
    assert "it has reached max_bytes (0.0 kB), so that no more is kept of the data: 0 % of it is there" in text
    assert not list((folder / "cache").rglob("*.rows*"))
