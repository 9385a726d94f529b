"""What a user sees when training stops at a bad number, or a config asks for more memory than there is."""

import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.config import load_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


def test_a_training_that_diverges_ends_with_one_message_and_its_batch_in_a_file(untrained, capsys, tmp_path):
    pipeline = load_config(str(untrained.config)).pipeline
    settings = pipeline.train_config.optimizer_config
    rates = []
    for index, optimizer in enumerate(settings):
        kind = optimizer.WhichOneof("optimizer")
        rate = "learning_rate { constant_learning_rate { learning_rate: 1e30 } }"
        text = text_format.MessageToString(
            text_format.Parse(f"{kind} {{ {rate} }}", type(optimizer)()), as_one_line=True
        )
        rates += ["--set", f"train_config.optimizer_config[{index}]={{ {text} }}"]
    flags = ("--set", f"model_dir={tmp_path}", "--set", "train_config.num_steps=9", *rates)
    err = untrained.refused(capsys, "train", *flags)
    assert "is not finite" in err or "are not finite" in err
    assert "suspect: parameter" in err
    assert "there is no checkpoint yet" in err
    [batch] = tmp_path.glob("bad_batch-*.parquet")
    assert str(batch) in err.replace("\n", "")
    assert pq.read_table(batch).num_rows == 200
    assert not list(tmp_path.glob("checkpoints/step-*"))


def test_tables_beyond_the_memory_are_refused_by_check_and_train(untrained, capsys, tmp_path):
    flags = ["--set", f"model_dir={tmp_path}"]
    pipeline = load_config(str(untrained.config)).pipeline
    index = next(i for i, one in enumerate(pipeline.feature_config.features) if one.hash_bucket_size)
    flags += ["--set", f"feature_config.features[{index}].hash_bucket_size=1000000000000"]
    for verb, more in (("check", ["--network"]), ("train", [])):
        err = untrained.refused(capsys, verb, *flags, *more)
        assert "does not fit in memory" in err
        assert "1,000,000,000,000 rows x" in err
        assert "hash_bucket_size" in err
