"""What a training reads."""

import pytest

from easymtl.data.feed import Cursor
from easymtl.data.order import Share
from easymtl.peers.peers import Peers
from easymtl.tasks.ranker import Ranker
from easymtl.training import inputs
from easymtl.training.inputs import TrainingInput
from tests.training.small_runs import small_config, train, write_data


def test_made_up_rows_train_a_model_without_any_file(tmp_path):
    result, _ = train(tmp_path, "data_config.input_type=DummyInput", "data_config.num_epochs=0")
    assert result.step == 6
    assert not result.metrics
    assert not list(tmp_path.glob("*.csv"))


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Returns the function from overrides of a config to what it makes of the feed."""
    found = []
    monkeypatch.setattr(
        inputs, "Feed", lambda source, encode, batch, **settings: found.append({"b": batch, **settings})
    )
    write_data(tmp_path)

    def feed(*overrides):
        pipeline = small_config(tmp_path, *overrides).pipeline
        TrainingInput(pipeline, Ranker(pipeline), Cursor(1, 2))
        return found

    return feed


def test_what_a_config_says_of_reading_reaches_the_feed(asked):
    settings = ("shuffle_buffer_size=300000", "prefetch_size=3", "num_epochs=2", "drop_remainder=true")
    [training] = asked(*(f"data_config.{each}" for each in settings))
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


def test_a_window_has_at_least_the_rows_that_the_docs_promise(asked):
    [training] = asked("data_config.shuffle=false")
    assert training["window_rows"] == 262_144
    assert not training["shuffle"]
    assert not training["drop_remainder"]


class _Two(Peers):
    size = 2


@pytest.mark.parametrize("num_epochs", [1, 0])
def test_a_worker_without_data_makes_its_steps_with_no_rows(tmp_path, num_epochs):
    write_data(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text(lines[0])
    pipeline = small_config(tmp_path, f"data_config.num_epochs={num_epochs}", "data_config.batch_size=1").pipeline
    for index, numbers in enumerate([[1, 0] if num_epochs else [1, 1], [0, 0]]):
        reading = TrainingInput(pipeline, Ranker(pipeline), None, Share(index, 2))
        with reading.feed:
            batches = [reading.next(_Two()) for _ in range(2)]
        if num_epochs:
            # With others after it the pass over the data is not begun anew.
            assert [batch.cursor for batch in batches] == [Cursor(1)] * 2
        assert [batch.rows.num_rows for batch in batches] == numbers
        assert batches[0].rows.columns.keys() == batches[1].rows.columns.keys()
