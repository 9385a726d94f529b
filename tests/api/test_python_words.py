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


FRAME = ROWS.to_pandas()
DRAFTED = easymtl.init(ROWS, ["click"])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: easymtl.load(None), "easymtl.load: path is None, and takes the path of a config."),
        (lambda: easymtl.load(DRAFTED), "easymtl.load: path is a DraftedConfig of easymtl, and takes the path"),
        (lambda: easymtl.Config.of("x.config"), 'Config.of: pipeline is the text "x.config", and takes a Pipeline'),
        (lambda: easymtl.open(None), "easymtl.open: folder is None, and takes the path of a model_dir or of an export"),
        (lambda: easymtl.export(3, "exp"), "easymtl.export: model is 3, and takes an open model, a run, or a model"),
        (lambda: easymtl.export("nowhere", "exp"), "nowhere: there is no such folder, and no such config."),
        (
            lambda: easymtl.train(FRAME, DRAFTED),
            "easymtl.train: config is a DataFrame of pandas, and takes a Config, or the path of one. The config comes "
            "first: easymtl.train(config, data).",
        ),
        (lambda: easymtl.follow(7, "days"), "easymtl.follow: config is 7, and takes a Config, or the path of one."),
        (lambda: easymtl.train(DRAFTED, callbacks=print), "easymtl.train: callbacks is a builtin_function_or_method"),
        (
            lambda: easymtl.init(FRAME, FRAME["click"]),
            "easymtl.init: labels is a Series of pandas, and takes names of columns. Give the name of the column: "
            'easymtl.init(data, ["click"]).',
        ),
        (lambda: easymtl.init(FRAME, FRAME), "easymtl.init: labels is a DataFrame of pandas, and takes names"),
        (lambda: easymtl.init(FRAME, None), "easymtl.init: labels is None, and takes names of columns."),
        (lambda: easymtl.init(FRAME.head(0), ["click"]), "the table: there are no rows to draft from."),
    ],
)
def test_what_is_no_argument_of_a_function_is_told_by_its_name(call, says):
    with pytest.raises(easymtl.UserError) as error:
        call()
    assert str(error.value).startswith(says)


def test_a_name_that_a_draft_does_not_know_is_told_by_python():
    with pytest.raises(TypeError, match=r"^init\(\) got an unexpected keyword argument 'modle'"):
        easymtl.init(ROWS, ["click"], modle="mmoe")
    for ignored in ("more", ["more"]):
        config = easymtl.init(FRAME.assign(more=FRAME.age), FRAME.columns[1:], ignore=ignored)
        assert [one.input_name for one in config.pipeline.data_config.input_fields] == ["click", "age"]


def test_a_folder_of_trainings_names_them(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "pipeline.config").write_text("")
    with pytest.raises(easymtl.UserError, match=rf"There are trainings in it: name {tmp_path}/logs\.$"):
        easymtl.open(tmp_path)
