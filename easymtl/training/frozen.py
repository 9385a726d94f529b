"""What `freeze_gradient` keeps from moving."""

import re
from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.layers.context import HOST, Parameter
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import RowGradient


class Frozen:
    """What `freeze_gradient` keeps from moving: dense variables whole, tables by their range of rows.

    Attributes:
        dense: references of the dense variables that do not move.
        tables: the tables that do not move.
    """

    def __init__(self, ranker: Ranker, patterns: Sequence[str]):
        """Matches the patterns (regular expressions, anywhere in a name) against the names of all parameters.

        Raises:
            UserError: a pattern is no regular expression, matches nothing, or only part of what is stored together.
        """
        matched = {name for pattern in patterns for name in _matches(pattern, ranker.parameters)}
        table_names = set(ranker.embeddings.parameters())
        self.tables = [ranker.parameters[name] for name in sorted(matched & table_names)]
        self.dense = {ranker.parameters[name].variable.ref() for name in matched - table_names}
        for parameter in ranker.parameters.values():
            if parameter.variable.ref() in self.dense and parameter.name not in matched:
                raise UserError(
                    f"train_config.freeze_gradient: freezes some experts but not {parameter.name!r}; "
                    "experts of equal shape are trained together: freeze all of them or none."
                )

    def without_frozen_rows(self, change: RowGradient) -> RowGradient:
        """Returns the change without the rows of frozen tables."""
        tables = [table for table in self.tables if table.variable is change.variable]
        if not tables:
            return change
        # How many rows are left is known where their numbers are, and a device need not be asked for it.
        with tf.device(HOST):
            frozen = tf.zeros_like(change.row_numbers, tf.bool)
            for table in tables:
                end = table.begin + table.num_rows
                frozen |= (change.row_numbers >= table.begin) & (change.row_numbers < end)
            kept = tf.where(~frozen)[:, 0]
            numbers = tf.gather(change.row_numbers, kept)
        rows, gradient = (tf.gather(x, kept) for x in (change.rows, change.gradient))
        ranges = tuple(tf.range(table.begin, table.begin + table.num_rows) for table in tables)
        return RowGradient(change.variable, numbers, rows, gradient, ranges)


def _matches(pattern: str, parameters: Mapping[str, Parameter]) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"train_config.freeze_gradient: {pattern!r} is not a regular expression: {error}.") from None
    names = [name for name in parameters if expression.search(name)]
    if not names:
        raise UserError(
            f"train_config.freeze_gradient: {pattern!r} matches no parameter; there are {quoted(parameters)}."
        )
    return names
