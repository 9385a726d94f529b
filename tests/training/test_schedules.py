"""Learning rates at the corners of each schedule; tests/parity holds whole curves against EasyRec's."""

import pytest
from google.protobuf import text_format

from easymtl.protos.optimizer_pb2 import LearningRate
from easymtl.training.schedules import make_schedule

SCHEDULES = {
    "constant_learning_rate { learning_rate: 0.3 }": {0: 0.3, 10**9: 0.3},
    "exponential_decay_learning_rate { initial_learning_rate: 1 decay_steps: 10 decay_factor: 0.5 }": {
        0: 1.0,
        9: 1.0,
        10: 0.5,
        25: 0.25,
    },
    """exponential_decay_learning_rate { initial_learning_rate: 1 decay_steps: 10 decay_factor: 0.25
       staircase: false }""": {
        5: 0.5,
        10: 0.25,
    },
    """exponential_decay_learning_rate { initial_learning_rate: 1 decay_steps: 1 decay_factor: 0.5
       min_learning_rate: 0.1 }""": {
        3: 0.125,
        4: 0.1,
        10**6: 0.1,
    },
    """exponential_decay_learning_rate { initial_learning_rate: 1 decay_steps: 10 decay_factor: 0.5
       burnin_steps: 4 burnin_learning_rate: 0.2 }""": {0: 0.2, 2: 0.6, 4: 1.0, 13: 1.0, 14: 0.5},
    """manual_step_learning_rate { initial_learning_rate: 1 schedule { step: 5 learning_rate: 0.5 }
       schedule { step: 10 learning_rate: 0.1 } }""": {0: 1.0, 4: 1.0, 5: 0.5, 9: 0.5, 10: 0.1, 99: 0.1},
    """manual_step_learning_rate { initial_learning_rate: 0.1 warmup: true
       schedule { step: 10 learning_rate: 1 } }""": {0: 0.1, 5: 0.55, 10: 1.0},
    """cosine_decay_learning_rate { learning_rate_base: 1 total_steps: 30 warmup_learning_rate: 0.1 warmup_steps: 5
       hold_base_rate_steps: 5 }""": {0: 0.1, 5: 1.0, 10: 1.0, 20: 0.5, 30: 0.0, 99: 0.0},
    "poly_decay_learning_rate { learning_rate_base: 1 total_steps: 10 power: 2 end_learning_rate: 0.2 }": {
        0: 1.0,
        5: 0.4,
        10: 0.2,
        99: 0.2,
    },
    """transformer_learning_rate { learning_rate_base: 2 hidden_size: 16 warmup_steps: 4
       step_scaling_rate: 1 }""": {0: 0.0625, 3: 0.25, 15: 0.125},
}


@pytest.mark.parametrize("text", SCHEDULES)
def test_schedule(text):
    schedule = make_schedule(text_format.Parse(text, LearningRate()))
    found = {step: schedule(step) for step in SCHEDULES[text]}
    assert found == pytest.approx(SCHEDULES[text], rel=1e-6, abs=1e-12)
