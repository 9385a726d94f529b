"""Timestamps and dates: the hour and the day of the week are formulas over them; the time itself never comes again."""

import re

from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.drafted import Drafted, feature_of, field_of
from easymtl.drafting.kinds import Kind

_HOUR, _DAY = 3600, 86_400
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def draft_time(column: ColumnProfile, units: int, width: int) -> Drafted | None:
    """Returns hour and day of the week of a column of times, None where nothing can be computed of it.

    Args:
        column: timestamps, dates, or whole numbers since 1970.
        units: how many units of a whole number a second has.
        width: of the vectors.
    """
    name = column.name
    if column.kind is Kind.TEXT or not _IDENTIFIER.fullmatch(name) or column.low is None or column.high is None:
        return None
    is_date = column.kind is Kind.DATE
    day = 1 if is_date else units * _DAY
    features = []
    if not is_date and column.high - column.low >= units * _HOUR:
        hour = units * _HOUR
        expression = f"tf.floor({name} / {hour}) - 24 * tf.floor({name} / {day})"
        features.append(_part(name, "hour", expression, 24, width))
    if column.high - column.low >= day:
        # 1970-01-01 was a Thursday: Monday is 0.
        days = f"{name} + 3" if is_date else f"tf.floor({name} / {day}) + 3"
        features.append(_part(name, "weekday", f"{days} - 7 * tf.floor(({days}) / 7)", 7, width))
    if not features:
        return None
    field = field_of(name, "INT32" if is_date else "INT64")
    return Drafted(
        field, features, "hour and day of the week in UTC" if len(features) > 1 else "a part of the time, UTC"
    )


def _part(name: str, part: str, expression: str, count: int, width: int):
    feature = feature_of(name, "ExprFeature", expression=expression, embedding_dim=width)
    feature.feature_name = f"{name}_{part}"
    feature.boundaries.extend(range(1, count))
    return feature
