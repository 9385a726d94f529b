"""Steps that rows make, and rates that come down at another step than the last."""

import pytest
from google.protobuf import text_format

from easymtl.config.falling_rates import falling_rates, misfits, steps_of_rows
from easymtl.protos.pipeline_pb2 import Pipeline

COSINE = "adam_optimizer { learning_rate { cosine_decay_learning_rate { learning_rate_base: 0.1 total_steps: 100 } } }"
POLY = "momentum_optimizer { learning_rate { poly_decay_learning_rate { learning_rate_base: 0.1 total_steps: 300 } } }"
CONSTANT = "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } }"


def pipeline(data: str, train: str = "", rates=(COSINE,)) -> Pipeline:
    optimizers = " ".join(f"optimizer_config {{ {rate} }}" for rate in rates)
    return text_format.Parse(f"data_config {{ {data} }} train_config {{ {optimizers} {train} }}", Pipeline())


@pytest.mark.parametrize(
    ("data", "train", "workers", "expected"),
    [
        ("batch_size: 10 num_epochs: 1", "", 1, 4),
        # Batches cross the border between two passes: 70 rows, not twice 4 batches.
        ("batch_size: 10 num_epochs: 2", "", 1, 7),
        ("batch_size: 10 num_epochs: 1 drop_remainder: true", "", 1, 3),
        ("batch_size: 10 num_epochs: 2", "", 2, 4),
        ("batch_size: 10 num_epochs: 2", "num_steps: 5", 1, 5),
        ("batch_size: 10 num_epochs: 2", "num_steps: 50", 1, 7),
        ("batch_size: 10", "num_steps: 50", 1, 50),
        ("batch_size: 10", "", 1, 0),
    ],
)
def test_steps_of_35_rows(data, train, workers, expected):
    assert steps_of_rows(pipeline(data, train), 35, workers) == expected


@pytest.mark.parametrize(
    ("steps", "what"),
    [(50, "ends before"), (90, "ends before"), (91, ""), (111, ""), (112, "goes on"), (400, "goes on")],
)
def test_what_misses_the_end_by_more_than_a_tenth_is_told(steps, what):
    texts = list(misfits(pipeline("num_epochs: 2"), steps))
    assert [what in text for text in texts] == ([True] if what else [])
    for text in texts:
        assert text.startswith("train_config.optimizer_config[0].adam_optimizer.learning_rate.cosine_decay_learning_")
        assert f"total_steps is 100, and training makes {steps} steps in all" in text
        assert text.endswith(f"Set it to {steps}.")


def test_each_rate_is_asked_for_itself():
    config = pipeline("num_epochs: 2", rates=[COSINE, POLY, CONSTANT])
    assert [total for _, total in falling_rates(config)] == [100, 300]
    (text,) = misfits(config, 100)
    assert "optimizer_config[1].momentum_optimizer" in text and "is 300" in text
    assert len(list(misfits(config, 200))) == 2


def test_what_the_notes_of_a_config_tell_is_not_told_twice():
    assert not list(misfits(pipeline("", "num_steps: 50"), 50)), "noted: ends before the rate has come down"
    assert not list(misfits(pipeline("num_epochs: 2", "num_steps: 50"), 50)), "noted"
    assert not list(misfits(pipeline("", "num_steps: 500"), 500)), "noted: goes on with the rate of the end"
    assert list(misfits(pipeline("num_epochs: 2", "num_steps: 500"), 500)), "not noted, as passes may end it first"
    assert not list(misfits(pipeline("num_epochs: 2"), 0)), "nothing was trained"
