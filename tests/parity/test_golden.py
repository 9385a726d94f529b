"""Every golden case passes, differs as documented, or is still to be supported; none fails.

`EASYMTL_GOLDEN` names another folder of cases; tests/parity/runner.py says what is compared.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.protos.optimizer_pb2 import LearningRate
from easymtl.training.schedules import make_schedule
from tests.parity.runner import QUIRKS, find_cases, run_case

HERE = Path(__file__).parents[1]
ROOT = Path(os.environ.get("EASYMTL_GOLDEN", HERE / "data" / "easyrec_golden")).resolve()
CASES = find_cases(ROOT)
RATES = json.loads((HERE / "data" / "easyrec_golden" / "09_optimizers" / "learning_rates.json").read_text())


def test_there_are_cases():
    assert CASES


@pytest.mark.parametrize("case", CASES)
def test_training_goes_as_it_does_in_easyrec(case):
    result = run_case(ROOT, case)
    assert not result.differences, "\n".join(result.differences)
    assert result.status != "failed", result.text
    if result.status == "later":
        pytest.skip(result.text)
    assert result.num_compared > 10
    assert (result.status == "differs") == any(case.startswith(begin) for begin in QUIRKS)


@pytest.mark.parametrize("name", RATES)
def test_learning_rates_are_those_of_easyrec(name):
    schedule = make_schedule(text_format.Parse(RATES[name]["config"], LearningRate()))
    expected = RATES[name]["lr"]
    np.testing.assert_allclose([schedule(step) for step in range(len(expected))], expected, rtol=2e-6, atol=1e-9)
