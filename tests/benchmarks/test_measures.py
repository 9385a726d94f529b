"""The speed benchmark goes through from data to rates, in small."""

import pytest
import tensorflow as tf

from benchmarks.measures import Measure
from benchmarks.roofline import unavoidable_bytes
from benchmarks.workloads import DataFiles, SetSize, Workload

NETWORK = """shared_bottom { bottom_dnn { hidden_units: [8] }
  task_towers { tower_name: "clk" label_name: "clk" } task_towers { tower_name: "buy" label_name: "buy" } }"""


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speed")
    settings = ("data_config.batch_size=64", "data_config.eval_batch_size=64")
    workload = Workload("small", "dbmtl_on_taobao.config", "taobao", NETWORK, settings, formats=("csv",))
    data = DataFiles(folder / "data", {"taobao": SetSize(3200, 200, 4)})
    formats = {name: data.overrides(workload, name) for name in workload.formats}
    measure = Measure(workload.write_config(folder), formats, "FLOAT32")
    for _ in range(2):
        measure.round(0.05)
        measure.score()
    yield measure
    measure.close()


def test_everything_has_a_rate_in_each_round(measure):
    assert set(measure.rates) == {"products", "roofline", "step", "training from csv", "evaluation", "prediction"}
    assert all(len(values) == 2 and min(values) > 0 for values in measure.rates.values())
    assert measure.batch_size == 64


def test_bytes_are_those_of_norms_weights_and_touched_rows(measure):
    ranker = measure._step.ranker
    weights = sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    of_floats = 4 * (7 * weights + 9 * 16 * 100)
    # The norm of the bottom has 8 columns.
    for dtype, size in ((tf.float32, 4), (tf.bfloat16, 2)):
        assert unavoidable_bytes(ranker, 64, dtype, {16: 100}) == 8 * size * 64 * 8 + of_floats


def test_distinct_rows_are_counted_once_and_without_gaps(measure):
    step = measure._step
    before = dict(step._batch)
    for name in ("ids_16", "bag_ids_16"):
        step._batch[name] = tf.constant([[3, 5], [-1, 5]], before[name].dtype)
    found = step.distinct_rows()
    step._batch.update(before)
    assert found == {16: 2}


def test_waiting_is_a_share(measure):
    assert set(measure.wait_shares) == {"csv"}
    assert all(0 <= share <= 1 for shares in measure.wait_shares.values() for share in shares)


def test_the_end_of_the_data_is_told(measure):
    training = measure._trainings["csv"]
    with pytest.raises(RuntimeError, match="at the end of its data"):
        training.run(10_000, 1e9)
