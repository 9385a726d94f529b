"""Messages name arguments where a program called, and flags where a command did."""

import pyarrow as pa
import pytest

import easymtl
from easymtl.api.python_words import without_flags

NAMES = {"new_data": "new_data", "new": "newer", "eval": "evaluation", "continue_train": "continue_train"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("--continue_train=false: x", "continue_train=False: x"),
        ("Give --eval.", "Give evaluation."),
        ("with --new_data, --new", "with new_data, newer"),
        ("--new_data_too and --other", "--new_data_too and --other"),
        ("Run: easymtl train --new_data. Or --new_data.", "Run: easymtl train --new_data. Or new_data."),
        ("easymtl train x.config --new_data", "easymtl train x.config --new_data"),
    ],
)
def test_flags_become_arguments_and_commands_stay(text, becomes):
    assert without_flags(text, NAMES) == becomes


ROWS = pa.table({"age": [20, 30, 40, 50] * 50, "click": [0, 1, 1, 0] * 50})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: easymtl.init(ROWS, []), "labels is missing: name the columns to learn, such as labels click"),
        (lambda: easymtl.init(ROWS, ["click", "click"]), 'labels: "click" is named twice.'),
        (lambda: easymtl.init(ROWS, ["click"], ROWS.drop_columns(["click"])), 'evaluation: there is no column "click"'),
        (lambda: easymtl.init(ROWS, ["click"], ignore=["agee"]), 'ignore: there is no column "agee".'),
        (lambda: easymtl.init(ROWS, ["click"], user="nobody"), 'user: there is no column "nobody".'),
    ],
)
def test_what_a_draft_refuses(call, says):
    with pytest.raises(easymtl.UserError) as error:
        call()
    assert str(error.value).startswith(says) and "--" not in str(error.value)


def test_a_training_that_must_not_go_on(tmp_path):
    (tmp_path / "model/checkpoints/step-000000001").mkdir(parents=True)
    (tmp_path / "model/checkpoints/step-000000001/state.json").write_text("{}")
    config = easymtl.init(ROWS, ["click"], overrides={"model_dir": str(tmp_path / "model")})
    with pytest.raises(easymtl.UserError, match=r"^continue_train=False: .* Name another folder, model_dir \.\.\., or"):
        easymtl.train(config, continue_train=False)
