"""What is measured is the step that a training makes."""

import pytest

from easymtl.planning.loopback import Network
from easymtl.planning.measuring import measure
from tests.training.growing_runs import growing_config, write_data


@pytest.mark.usefixtures("op_by_op")
def test_tables_that_grow_have_rows_in_the_steps_that_are_measured(tmp_path):
    write_data(tmp_path)
    network = Network(1e6, 1e-3, 1e-9, 1e-6)
    found = measure(growing_config(tmp_path).pipeline, network, 0.01)
    assert min(found.rates.step_seconds, found.rates.feed_seconds) > 0
