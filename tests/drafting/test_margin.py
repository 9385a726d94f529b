"""The standard error of what tells the best checkpoint, held against how metrics of drawn rows are spread."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error

from easymtl.drafting.labels import find_labels
from easymtl.drafting.margin import num_rows_of, standard_error
from easymtl.drafting.profile import read_profile
from easymtl.drafting.table import open_table

RANDOM = np.random.default_rng(5)
ROWS = 4000
COLUMNS = {
    "click": pa.array(RANDOM.random(ROWS) < 0.2),
    "like": pa.array(np.where(RANDOM.random(ROWS) < 0.05, "yes", "no"), mask=RANDOM.random(ROWS) < 0.5),
    "page": pa.array([f"p{number}" for number in RANDOM.integers(0, 4, ROWS)]),
    "seconds": pa.array(RANDOM.normal(50, 30, ROWS)),
}


@pytest.fixture(scope="module")
def table():
    return open_table(pa.table(COLUMNS), None, [])


def error(table, metric, names, num_rows):
    profile = read_profile(table, names)
    return standard_error(metric, find_labels(profile, names), profile, num_rows)


def spread(measure, num_rows):
    """Returns the standard deviation of a metric over drawn sets of rows."""
    return np.std([measure(np.random.default_rng(seed), num_rows) for seed in range(400)])


def auc_by_chance(share):
    def measure(random, num_rows):
        return roc_auc_score(random.random(num_rows) < share, random.random(num_rows))

    return measure


def test_of_an_auc_it_is_the_spread_over_rows_and_a_missing_label_is_no_row(table):
    assert error(table, "auc", ["click"], 400) == pytest.approx(spread(auc_by_chance(0.2), 400), rel=0.1)
    assert error(table, "auc", ["like"], 2000) == pytest.approx(spread(auc_by_chance(0.05), 1000), rel=0.1)


def test_of_several_tasks_it_is_that_of_their_mean(table):
    def measure(random, num_rows):
        return (auc_by_chance(0.2)(random, num_rows) + auc_by_chance(0.05)(random, num_rows // 2)) / 2

    found = error(table, "auc", ["click", "like", "seconds", "page"], 2000)
    assert found == pytest.approx(spread(measure, 2000), rel=0.1)


def test_of_classes_and_values(table):
    def right(random, num_rows):
        return accuracy_score(random.integers(0, 2, num_rows), random.integers(0, 2, num_rows))

    def far(random, num_rows):
        return root_mean_squared_error(random.normal(0, 30, num_rows), np.zeros(num_rows))

    assert error(table, "accuracy", ["page", "seconds"], 400) == pytest.approx(spread(right, 400), rel=0.1)
    assert error(table, "root_mean_squared_error", ["seconds"], 400) == pytest.approx(spread(far, 400), rel=0.1)


def test_rows_to_judge_by_are_counted_or_told_by_their_bytes(tmp_path, table):
    rows = pa.table(COLUMNS)
    parts = {"parquet": pq.write_table, "csv": pyarrow.csv.write_csv}
    for ending, write in parts.items():
        write(rows, tmp_path / f"train.{ending}")
        write(rows.slice(0, 500), tmp_path / f"eval.{ending}")
    found = {}
    for ending in parts:
        trained, judged = (open_table(str(tmp_path / f"{part}.{ending}"), None, []) for part in ("train", "eval"))
        found[ending] = num_rows_of(judged, read_profile(trained, []))
    assert found["parquet"] == 500 and found["csv"] == pytest.approx(500, rel=0.05)
    assert num_rows_of(open_table(rows.slice(0, 70), None, []), read_profile(table, [])) == 70
