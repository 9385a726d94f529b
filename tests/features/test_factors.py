"""What makes the weight of a row: the same rows count here as have a weight in the loss."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.features.factors import Factor, tower_factors
from easymtl.features.numbers import NumberColumn
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.sample_weights import factor_of

VALUES = np.array([np.nan, 0.0, -0.0, 0.5, 1.0, 3e38], np.float32)


@pytest.mark.parametrize("weights", [(None, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (2.0, 0.5), (1e-30, 0.0)])
def test_a_row_counts_where_its_factor_is_not_0(weights):
    factor = Factor(NumberColumn("w", "w"), *weights)
    assert (
        factor.counts({"w": VALUES}).tolist() == (factor_of(factor, {"w": tf.constant(VALUES)}) != 0).numpy().tolist()
    )


def factors(tower: str, fields: str = "") -> list[Factor]:
    text = f"""data_config {{ label_fields: "click" sample_weight: "w" {fields} }}
        feature_config {{ features {{ feature_name: "town" input_names: "city" }} }}
        model_config {{ simple_multi_task {{ task_towers {{ tower_name: "t" {tower} }} }} }}"""
    return tower_factors(text_format.Parse(text, Pipeline()), 0)


@pytest.mark.parametrize(
    ("tower", "why"),
    [
        ("", 'the weight "w" is 0 or missing in all rows'),
        (
            'task_space_indicator_label: "buy" out_task_space_weight: 0',
            'none of the rows is in its task space ("buy" a',
        ),
        (
            'task_space_indicator_label: "buy" in_task_space_weight: 0',
            'all rows are in its task space ("buy" above 0), wh',
        ),
        (
            'task_space_indicator_label: "buy" in_task_space_weight: 0 out_task_space_weight: 0',
            'the weights inside and outside of its task space ("buy" above 0) are both 0',
        ),
        (
            'task_space_indicator_name: "town" task_space_indicator_value: "bj" out_task_space_weight: 0',
            'none of the rows is in its task space ("city" is "bj")',
        ),
        ("sample_weights { class_weights { negative: 0 } }", 'none of the rows is in the class of "click" above 0'),
        ('sample_weights { column: "v" }', 'the weight "v" is 0 or missing in all rows'),
    ],
)
def test_why_a_factor_leaves_all_rows_out(tower, why):
    assert factors(tower)[-1].why_none("rows").startswith(why)


def test_an_indicator_may_be_one_of_a_range_of_fields():
    fields = 'auto_expand_input_fields: true input_fields { input_name: "f[1-3]" }'
    space = factors('task_space_indicator_name: "f2" task_space_indicator_value: "x"', fields)[-1]
    assert space.column == NumberColumn.indicator("f2", "x")
