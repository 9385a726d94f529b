"""What is counted at the end of a training is of the rows it trained on, and not of those that were read ahead."""

import pytest

from tests.training.small_runs import NUM_ROWS, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

QUIET = ("eval_input_path=", "train_config.save_checkpoints_steps=0", "data_config.ignore_error=true")
IN_ORDER = "data_config.shuffle=false"


@pytest.fixture
def folder(tmp_path):
    """20,000 rows, of which each tenth has no item, each fifth no label "buy", and each hundredth does not parse."""
    write_data(tmp_path)
    lines = []
    for row in range(20_000):
        item, buy = "" if row % 10 == 3 else f"i{row % 7}", "" if row % 5 == 1 else "0"
        lines.append(f"{'x' if row % 100 == 50 else row % 2},{buy},{item},a|b,0.5")
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_training_of_few_rows_counts_those(folder):
    # 64 rows trained on, and row 50, which does not parse, between them.
    result, _ = train(folder, *QUIET, IN_ORDER, "train_config.num_steps=2")
    rows = [row for row in range(65) if row != 50]
    assert result.num_examples == len(rows)
    assert result.counts["item"]["missing"] == sum(row % 10 == 3 for row in rows)
    assert result.skipped_rows == 1


def test_shuffled_rows_are_counted_one_by_one(folder):
    result, _ = train(folder, *QUIET, "train_config.num_steps=2")
    assert 0 <= result.counts["item"]["missing"] <= 20
    assert result.skipped_rows <= 6


def test_parts_of_a_pass_add_up_to_it(folder):
    once = (*QUIET, "data_config.num_epochs=1", "data_config.batch_size=4096")
    first, _ = train(folder, *once, "train_config.num_steps=2")
    second, _ = train(folder, *once, "train_config.num_steps=0")
    assert first.num_examples == 2 * 4096 and first.num_examples + second.num_examples == 19_800
    assert first.counts["item"]["missing"] + second.counts["item"]["missing"] == 2_000
    assert first.skipped_rows + second.skipped_rows == 200


def test_a_row_counts_once_in_however_many_passes(tmp_path):
    write_data(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    lines[4], lines[9] = "x,0,i1,a,0.5", "1,0,,a,0.5"
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    # 149 rows a pass, in batches of 32: one of them has rows of two passes.
    result, _ = train(tmp_path, *QUIET, "data_config.num_epochs=3", "train_config.num_steps=0")
    assert result.num_examples == 3 * (NUM_ROWS - 1)
    assert (result.counts["item"]["missing"], result.skipped_rows) == (1, 1)


def test_a_label_behind_what_was_trained_on_is_none(folder):
    lines = (folder / "train.csv").read_text().splitlines()
    for row in range(200):
        click, _, rest = lines[row].split(",", 2)
        lines[row] = f"{click},,{rest}"
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    _, told = train(folder, *QUIET, IN_ORDER, "train_config.num_steps=2")
    assert any('no row trained on so far has a label "buy"' in getattr(event, "text", "") for event in told)
