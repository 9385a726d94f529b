"""What python -m benchmarks.histories is made of."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.histories import LONGEST, LONGESTS, MEANS, config_text, lengths_of, ratios, write_rows
from easymtl.config.config import load_config


@pytest.mark.parametrize(
    ("mean", "longest"), [*((mean, LONGEST) for mean in MEANS), *((20, most) for most in LONGESTS)]
)
def test_lengths_have_their_mean_and_one_row_is_the_longest(mean, longest):
    lengths = lengths_of(4096, mean, longest, np.random.default_rng(0))
    assert lengths[1:].mean() == pytest.approx(mean, rel=0.05)
    assert (lengths.max(), lengths[0]) == (longest, longest)
    assert 0 <= lengths.min() <= lengths[1:].max() <= LONGEST


def test_with_and_without_take_turns_in_going_first():
    order: list[str] = []
    clock = itertools.count(1)

    def timed(name: str):
        return lambda: order.append(name) or float(next(clock))

    assert ratios(timed("with"), timed("without"), 2) == [1 / 2, 4 / 3]
    assert order == ["with", "without", "without", "with"]


@pytest.mark.parametrize(
    ("has_histories", "units", "layers"), [(True, "64,32,1", [64, 32, 1]), (True, "default", []), (False, "8,1", None)]
)
def test_the_config_is_right_and_reads_columns_of_the_rows(tmp_path: Path, has_histories, units, layers):
    write_rows(tmp_path, 8, 5, 50)
    text = config_text(has_histories, tmp_path, 8, units, "BFLOAT16")
    (tmp_path / "x.config").write_text(text, encoding="utf-8")
    pipeline = load_config(str(tmp_path / "x.config")).pipeline
    assert pipeline.train_config.mixed_precision == pipeline.train_config.BFLOAT16
    attention = pipeline.model_config.feature_groups[0].sequence_features
    assert [list(one.seq_dnn.hidden_units) for one in attention] == ([layers] * 2 if has_histories else [])
    names = pq.read_schema(tmp_path / "train.parquet").names
    read = {field.input_name for field in pipeline.data_config.input_fields}
    assert read <= set(names)
    assert ({"h1", "h2"} <= read) == has_histories
