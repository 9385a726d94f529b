"""Converted configs train, evaluate and export on data as TorchEasyRec would read it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from easymtl.cli import main
from tests.convert.conftest import CONFIGS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op", "score_here")]


def raw_rows(rows, seed):
    """Returns columns as they are before any feature is computed."""
    random = np.random.default_rng(seed)
    click = random.integers(0, 2, rows)
    words = np.array(["a", "b", "c|a", "", "d|e|f"])
    return pa.table(
        {
            "uid": [f"u{number}" for number in random.integers(0, 30, rows)],
            "click": click,
            "like": click * random.integers(0, 2, rows),
            "stay": np.round(random.gamma(2.0, 3.0, rows) * click, 3),
            "hour": [str(number) if number else "" for number in random.integers(0, 24, rows)],
            "page": random.choice(["home", "search", "other", ""], rows),
            "tags": random.choice(words, rows),
            "interests": random.choice(["a:0.5|b:2", "c:1", ""], rows),
            "age": random.integers(10, 70, rows),
            "price": np.round(random.normal(10, 5, rows), 2),
            "duration": random.integers(0, 300, rows),
            "cover": ["|".join(map(str, np.round(values, 2))) for values in random.normal(size=(rows, 3))],
            "row_weight": random.choice([0.5, 1.0], rows),
        }
    )


def encoded_rows(rows, seed):
    """Returns columns as TorchEasyRec's feature generator writes them: row numbers, as lists, numbers and text."""
    random = np.random.default_rng(seed)
    clk = random.integers(0, 2, rows)
    return pa.table(
        {
            "clk": clk,
            "buy": clk * random.integers(0, 2, rows),
            "user": pa.array(random.integers(0, 500, rows), pa.int64(), mask=np.arange(rows) % 10 == 0),
            "shop": [[int(number)] * (number % 3) for number in random.integers(0, 300, rows)],
            "colour": [str(number) for number in random.integers(0, 4, rows)],
            "age": random.integers(0, 4, rows),
            "ctr_7d": random.random(rows),
            "user_cate_cnt": [",".join(map(str, numbers)) for numbers in random.integers(0, 5, (rows, 2))],
            "age_gap": random.integers(0, 30, rows).astype(float),
        }
    )


DATA = {
    "mmoe_raw": (raw_rows, pyarrow.csv.write_csv, "csv"),
    "dbmtl_encoded": (encoded_rows, pq.write_table, "parquet"),
}


@pytest.mark.parametrize("name", DATA)
def test_a_converted_config_trains_evaluates_and_exports(name, tmp_path, monkeypatch, capsys):
    make, write, suffix = DATA[name]
    monkeypatch.chdir(tmp_path)
    for seed, (part, rows) in enumerate({"train": 640, "eval": 128}.items()):
        write(make(rows, seed), f"{part}.{suffix}")
    assert main(["convert", str(CONFIGS / f"{name}.config"), "--out", "ours.config"]) == 0
    flags = ["--pipeline_config", "ours.config", "--set", "model_dir=model"]
    assert main(["check", *flags]) == 0
    assert "not read" not in capsys.readouterr().out
    assert main(["train", *flags, "--set", "train_config.mixed_precision=FLOAT32"]) == 0
    result = json.loads((tmp_path / "model" / "eval_result.json").read_text())
    assert result["num_examples"] == 128
    assert np.isfinite([value for value in result.values() if isinstance(value, float)]).all()
    assert list((tmp_path / "model" / "export").rglob("saved_model.pb"))
