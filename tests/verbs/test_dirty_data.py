"""Commands on data with rows that are odd, or that cannot be used."""

import json

import pyarrow.parquet as pq
import pytest

from easymtl.cli import main
from tests.training.small_runs import CONFIG, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture
def config(tmp_path, score_here):
    write_data(tmp_path)
    for name in ("train.csv", "eval.csv"):
        lines = (tmp_path / name).read_text().splitlines()
        for place, text in {3: "x,0,1,a,1", 7: "0,1,,a,1", 9: "0,1,soon,a,1"}.items():
            lines[place] = text
        (tmp_path / name).write_text("\n".join(lines))
    path = tmp_path / "small.config"
    text = CONFIG.format(folder=tmp_path).replace("hash_bucket_size: 40", "num_buckets: 40")
    path.write_text(text.replace('input_names: "item"', 'input_names: "item" feature_name: "item_id"'))
    for name in ("train.csv", "eval.csv"):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(",i", ","))
    path.write_text(path.read_text().replace('feature_names: ["item"', 'feature_names: ["item_id"'))
    return path


def test_rows_are_left_out_when_asked_and_oddities_are_written(config, capsys):
    flags = "--pipeline_config", str(config)
    assert main(["train", *flags]) == 2
    error = capsys.readouterr().err
    assert 'train.csv:4: column "click" holds "x"' in error or 'train.csv:10: field "item"' in error
    assert "Traceback" not in error
    assert main(["train", *flags, "--set", "data_config.ignore_error=true"]) == 0
    found = json.loads((config.parent / "model/eval_result.json").read_text())
    assert (found["num_examples"], found["skipped_rows"], found["missing_item_id"]) == (68, 2, 1)
    trained = json.loads((config.parent / "model/input_oddities.json").read_text())
    assert trained["skipped_rows"] >= 2
    assert trained["missing_item_id"] >= 1


def test_a_savedmodel_says_what_it_cannot_read(config, capsys):
    flags = "--pipeline_config", str(config), "--set", "data_config.ignore_error=true"
    assert main(["train", *flags]) == 0
    (config.parent / "bad.csv").write_text("0,1,soon,a,1\n")
    (config.parent / "good.csv").write_text("0,1,7,a,1\n")
    models = sorted((config.parent / "model/export/final").glob("[0-9]*"))
    predict = ["predict", *flags, "--output", str(config.parent / "scores.parquet"), "--saved_model", str(models[-1])]
    assert main([*predict, "--input", str(config.parent / "good.csv")]) == 0
    assert pq.read_table(config.parent / "scores.parquet").num_rows == 1
    capsys.readouterr()
    assert main([*predict, "--input", str(config.parent / "bad.csv")]) == 2
    error = capsys.readouterr().err
    assert '"soon"' in error
    assert "Traceback" not in error
