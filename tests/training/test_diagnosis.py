"""Numbers that go wrong: training stops before it harms a weight, says where it began, and keeps the batch."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.errors import UserError
from easymtl.training.bad_batch import odd_values
from easymtl.training.diagnosis import require_finite_weights
from easymtl.training.trainer import Trainer
from tests.training.small_runs import small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

NO_EVALUATION = "eval_input_path="
IN_ORDER = "data_config.shuffle=false"
REGRESSION = (
    "data_config.input_fields[1].input_type=FLOAT",
    "model_config.mmoe.task_towers[1].loss_type=L2_LOSS",
    "model_config.mmoe.task_towers[1].metrics_set=[]",
)


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def spoil(folder, line: int, column: int, value: str) -> None:
    path = folder / "train.csv"
    lines = [row.split(",") for row in path.read_text().splitlines()]
    lines[line - 1][column] = value
    path.write_text("\n".join(map(",".join, lines)) + "\n")


def failure(folder, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        train(folder, NO_EVALUATION, *overrides)
    return str(caught.value)


def test_it_names_feature_layer_rows_and_what_is_kept(folder):
    spoil(folder, 100, 4, "3e38")
    text = failure(folder, IN_ORDER)
    assert text.startswith("Step 4: the gradients are not finite, the losses still are (cross_entropy_loss_ctr 0.")
    assert f"32 rows of {folder}/train.csv from row 97 on" in text
    assert 'feature "price": 1 value is extreme, such as 3e+38 in row 4 of the batch' in text
    assert "layer mmoe/gate_0/dnn: the first with an extreme output" in text
    assert "suspect: parameter" not in text
    assert f"last good checkpoint is {folder}/model/checkpoints/step-000000003" in text
    assert [checkpoint.step for checkpoint in CheckpointFolder(folder / "model").all()] == [3]


def test_statistics_that_would_overflow_are_named(folder):
    # A square of 1e38 and the like is beyond float32, and so is the variance; all else is finite.
    spoil(folder, 3, 4, "3e38")
    text = failure(folder, IN_ORDER)
    assert text.startswith("Step 1: the statistics of norms are not finite, the losses still are (cross_entropy_loss_")
    assert "suspect: the statistic mmoe/expert_0/dnn_0/bn/moving_variance" in text


def test_a_label_whose_loss_is_not_finite_is_named_with_its_task_alone(folder):
    spoil(folder, 3, 1, "3e38")
    text = failure(folder, IN_ORDER, *REGRESSION)
    assert text.startswith("Step 1: the loss of task cvr is not finite (l2_loss_cvr inf).")
    assert 'label or weight "buy": 1 value is extreme, such as 3e+38 in row 3 of the batch' in text
    assert "there is no checkpoint yet" in text


def test_the_batch_is_in_a_file_under_the_names_of_the_config(folder):
    spoil(folder, 100, 4, "3e38")
    assert f"{folder}/model/bad_batch-4.parquet" in failure(folder, IN_ORDER)
    batch = pq.read_table(folder / "model" / "bad_batch-4.parquet").to_pydict()
    assert set(batch) == {"click", "buy", "item", "tags", "price"}
    rows = [line.split(",") for line in (folder / "train.csv").read_text().splitlines()][96:128]
    assert batch["click"] == [float(row[0]) for row in rows]
    assert batch["price"] == pytest.approx([float(row[4]) for row in rows])
    # A tag that occurs twice in a row is one with twice the weight, if it is not still two.
    tags = [set(filter(None, row[3].split("|"))) for row in rows]
    assert all(len(set(found)) <= len(expected) for found, expected in zip(batch["tags"], tags))
    assert [bool(found) for found in batch["tags"]] == [bool(expected) for expected in tags]
    assert all(0 <= number < 40 for number in batch["item"])
    for row, number in zip(rows, batch["item"]):
        assert {other for name, other in zip(rows, batch["item"]) if name[2] == row[2]} == {number}


def test_a_shuffled_batch_is_told_by_the_window_it_came_from(folder):
    spoil(folder, 100, 1, "3e38")
    path = folder / "train.csv"
    (folder / "train-2.csv").write_text(path.read_text())
    path.rename(folder / "train-1.csv")
    text = failure(folder, f"train_input_path={folder}/train-*.csv", "train_config.num_steps=20", *REGRESSION)
    assert "32 rows of a shuffled window of" in text
    assert "train-1.csv" in text and "train-2.csv" in text


def test_a_learning_rate_that_is_far_too_high_ends_in_named_weights_and_not_in_a_checkpoint(folder):
    rate = "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate=1e30"
    text = failure(folder, rate, "train_config.save_checkpoints_steps=100")
    assert "suspect: parameter " in text
    assert "has weights up to" in text
    assert not CheckpointFolder(folder / "model").all()


def test_the_update_of_a_bad_batch_is_not_made(folder):
    spoil(folder, 3, 1, "inf")
    trainer = Trainer(small_config(folder, IN_ORDER, *REGRESSION), lambda event: None)
    before = {name: parameter.read().numpy() for name, parameter in trainer.ranker.parameters.items()}
    assert any(name.endswith("moving_mean") for name in before)
    with pytest.raises(UserError):
        trainer.run()
    for name, value in before.items():
        np.testing.assert_array_equal(trainer.ranker.parameters[name].read(), value, err_msg=name)
    assert trainer.step == 0


def test_weights_that_are_not_finite_do_not_become_a_checkpoint(folder):
    trainer = Trainer(small_config(folder, NO_EVALUATION), lambda event: None)
    parameter = trainer.ranker.parameters["input_layer/item_embedding/embedding_weights"]
    value = parameter.read().numpy()
    value[7, 2] = np.nan
    parameter.assign(tf.constant(value))
    with pytest.raises(UserError, match=f"{parameter.name}: 1 of its weights are not finite"):
        require_finite_weights(trainer.pipeline, trainer.ranker.parameters, 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, np.nan], "1 value is not finite, such as nan in row 3 of the batch"),
        ([1.0, -2e6, np.inf, np.inf], "2 values are not finite, such as inf in row 3 of the batch"),
        ([1.0, -2e6, 3.0], "1 value is extreme, such as -2e+06 in row 2 of the batch"),
        ([0.01, 0.02, 0.01, 5e3], "1 value is extreme, such as 5000 in row 4 of the batch"),
        ([0.01, 0.02, 0.01, 900.0], ""),
        ([0.0, 0.0], ""),
        ([1e5, 2e5, 3e5], ""),
    ],
)
def test_odd_values(values, expected):
    assert odd_values(np.array(values, np.float32)) == expected


def test_nothing_is_odd_where_there_is_nothing():
    assert odd_values(np.zeros([0, 3], np.float32)) == odd_values(np.zeros([0], np.float32)) == ""


def test_a_missing_label_is_nothing_odd():
    assert odd_values(np.array([1.0, np.nan]), is_missing_allowed=True) == ""
    assert "not finite" in odd_values(np.array([1.0, np.inf]), is_missing_allowed=True)
