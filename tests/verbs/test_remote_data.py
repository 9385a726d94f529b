"""Training, evaluation and prediction on data that lies on S3."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from easymtl.cli import main
from tests.data.s3_server import s3, s3_client, s3_server  # noqa: F401
from tests.training.small_runs import CONFIG, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture
def config(tmp_path, s3, score_here):  # noqa: F811
    write_data(tmp_path)
    for name in ("train.csv", "eval.csv"):
        s3.put_object(Bucket="data", Key=f"shop/{name}", Body=(tmp_path / name).read_bytes())
        (tmp_path / name).unlink()
    path = tmp_path / "small.config"
    text = CONFIG.format(folder=tmp_path)
    for name in ("train.csv", "eval.csv"):
        text = text.replace(f"{tmp_path}/{name}", f"s3://data/shop/{name}")
    path.write_text(text)
    return path


def test_a_model_is_trained_evaluated_and_used_on_remote_data(config, s3, capsys):  # noqa: F811
    flags = "--pipeline_config", str(config)
    assert main(["train", *flags]) == 0
    assert json.loads((config.parent / "model/eval_result.json").read_text())["num_examples"] == 70
    output = str(config.parent / "scores.parquet")
    assert main(["predict", *flags, "--input", "s3://data/shop/*.csv", "--output", output]) == 0
    assert pq.read_table(output).num_rows == 70 + 150
    assert main(["predict", *flags, "--input", "s3://data/shop/eval.csv", "--output", "s3://data/scores/today"]) == 0
    body = s3.get_object(Bucket="data", Key="scores/today/scores.parquet")["Body"].read()
    remote, local = pq.read_table(io.BytesIO(body)), pq.read_table(output).slice(0, 70)
    for name in local.column_names:
        np.testing.assert_allclose(remote[name], local[name], rtol=1e-5)
    for name, said in {"s3://nobucket/a": 'bucket "nobucket" does not exist', "s3://data/a.csv": "as Parquet"}.items():
        assert main(["predict", *flags, "--input", "s3://data/shop/eval.csv", "--output", name]) == 2
        assert said in capsys.readouterr().err
    capsys.readouterr()
    assert main(["train", *flags, "--set", "train_input_path=s3://nobucket/train.csv"]) == 2
    assert 'the bucket "nobucket" does not exist' in capsys.readouterr().err
