import datetime

import numpy as np
import pyarrow as pa
import pytest

from easymtl.config.expressions import COMPARISONS, parse_expression
from easymtl.config.expressions.evaluation import evaluate
from easymtl.drafting.profile import read_profile
from easymtl.drafting.table import open_table
from easymtl.drafting.times import draft_time

OPERATIONS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "tf.floor": np.floor}
MOMENTS = [datetime.datetime(1969, 12, 31, 23), datetime.datetime(1970, 1, 5)] + [
    datetime.datetime(2026, 2, 1) + datetime.timedelta(hours=7 * step, minutes=13) for step in range(60)
]


def computed(values, units):
    """Returns what the features of a column of times compute, by their names."""
    column = read_profile(open_table(pa.table({"t": values}), None, []), []).columns["t"]
    draft = draft_time(column, units, 8)
    numbers = values.cast(pa.timestamp("us")).cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
    numbers = numbers.cast(pa.int32()) if pa.types.is_date(numbers.type) else numbers
    known = {"t": numbers.to_numpy().astype(np.float64)}
    return {
        feature.feature_name: evaluate(
            parse_expression(feature.expression, COMPARISONS, ["t"]), known, OPERATIONS
        ).tolist()
        for feature in draft.features
    }


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_hour_and_day_of_the_week_are_those_of_the_calendar(unit):
    found = computed(pa.array(MOMENTS, pa.timestamp(unit)), 1_000_000)
    assert found == {
        "t_hour": [moment.hour for moment in MOMENTS],
        "t_weekday": [moment.weekday() for moment in MOMENTS],
    }


def test_whole_numbers_since_1970_have_their_unit():
    seconds = pa.array([int(moment.replace(tzinfo=datetime.timezone.utc).timestamp()) for moment in MOMENTS])
    assert computed(seconds, 1)["t_hour"] == [moment.hour for moment in MOMENTS]


def test_dates_have_a_day_of_the_week_alone():
    dates = [moment.date() for moment in MOMENTS]
    assert computed(pa.array(dates), 1) == {"t_weekday": [date.weekday() for date in dates]}
