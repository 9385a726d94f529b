"""Which learning rates are told to have come down to nothing."""

import pytest

from easymtl.following.low_rates import low_rates
from tests.following.days import days_config

COSINE = "cosine_decay_learning_rate { learning_rate_base: 0.02 warmup_steps: 20 total_steps: 100 }"
POLY = "poly_decay_learning_rate { learning_rate_base: 0.1 total_steps: 100 power: 1.0 end_learning_rate: %s }"
MANUAL = "manual_step_learning_rate { initial_learning_rate: 1.0 schedule { step: 10 learning_rate: 0.001 } %s }"
AGAIN = "schedule { step: 300 learning_rate: 0.5 }"
DECAY = "exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 10 decay_factor: 0.5 %s }"


@pytest.mark.parametrize(
    ("rate", "step", "is_low"),
    [
        ("constant_learning_rate { learning_rate: 0.01 }", 1000, False),
        ("constant_learning_rate { learning_rate: 0.0 }", 1000, False),
        (COSINE, 0, False),
        (COSINE, 5, False),
        (COSINE, 60, False),
        (COSINE, 100, True),
        (COSINE, 1000, True),
        (POLY % 0.0, 100, True),
        (POLY % 0.01, 1000, False),
        (MANUAL % "", 100, True),
        (MANUAL % AGAIN, 100, False),
        (DECAY % "", 60, False),
        (DECAY % "", 70, True),
        (DECAY % "min_learning_rate: 0.01", 1000, False),
        ("transformer_learning_rate { learning_rate_base: 1.0 hidden_size: 8 warmup_steps: 10 }", 10_000, False),
    ],
)
def test_a_rate_is_low_below_a_hundredth_of_its_highest(tmp_path, rate, step, is_low):
    name = "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    pipeline = days_config(tmp_path, f"{name}={{{rate}}}").pipeline
    told = list(low_rates(pipeline, step))
    assert len(told) == is_low
    place = f"{name}.{rate.split()[0]}"
    assert all(f"at step {step:,} {place} has come down" in text and path == name for path, text in told)


def test_the_way_out_is_a_command(tmp_path):
    name = "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    ((_, text),) = low_rates(days_config(tmp_path, f"{name}={{{COSINE}}}").pipeline, 100)
    assert "from 0.02 to 0:" in text
    (override,) = [word for word in text.split() if "=" in word]
    assert override.endswith("learning_rate=0.002")
    assert not list(low_rates(days_config(tmp_path, f"{name}={{{COSINE}}}", override).pipeline, 100))
