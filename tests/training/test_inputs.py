"""What a training reads."""

import pytest

from easymtl.data.feed import Cursor
from easymtl.tasks.ranker import Ranker
from easymtl.training import inputs
from easymtl.training.inputs import TrainingInput, evaluation_feed
from tests.training.small_runs import small_config, train, write_data


def test_made_up_rows_train_a_model_without_any_file(tmp_path):
    result, _ = train(tmp_path, "data_config.input_type=DummyInput", "data_config.num_epochs=0")
    assert result.step == 6
    assert not result.metrics
    assert not list(tmp_path.glob("*.csv"))


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Returns the function from overrides of a config to what it makes of the two feeds."""
    found = []
    monkeypatch.setattr(
        inputs, "Feed", lambda source, encode, batch, **settings: found.append({"b": batch, **settings})
    )
    write_data(tmp_path)

    def feeds(*overrides):
        pipeline = small_config(tmp_path, *overrides).pipeline
        reader = TrainingInput(pipeline, Ranker(pipeline), Cursor(1, 2))
        evaluation_feed(pipeline, reader.encoder, pipeline.eval_input_path)
        return found

    return feeds


def test_what_a_config_says_of_reading_reaches_the_feeds(asked):
    settings = ("shuffle_buffer_size=300000", "prefetch_size=3", "num_epochs=2", "drop_remainder=true")
    training, evaluation = asked(*(f"data_config.{each}" for each in settings), "data_config.eval_batch_size=7")
    expected = {
        "b": 32,
        "shuffle": True,
        "seed": 5,
        "num_epochs": 2,
        "window_rows": 300_000,
        "drop_remainder": True,
        "start": Cursor(1, 2),
        "prefetch": 3,
        # Encoded rows are reckoned as four times the files: those of 32 MB are kept.
        "kept_bytes": 4 * 32 << 20,
    }
    assert training.items() >= expected.items()
    assert evaluation.items() >= {"b": 7, "prefetch": 3}.items()
    assert not evaluation.get("shuffle")


def test_a_window_has_at_least_the_rows_that_the_docs_promise(asked):
    training, _ = asked("data_config.shuffle=false")
    assert training["window_rows"] == 262_144
    assert not training["shuffle"]
    assert not training["drop_remainder"]
