"""What may be wished for, and which configs can be followed."""

import math

import pytest

from easymtl.errors import UserError
from easymtl.following.wishes import DEFAULT_KEEP, Wishes, length_of, require_followable
from tests.following.days import days_config


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return days_config(tmp_path_factory.mktemp("days"))


@pytest.mark.parametrize(
    "text, seconds", [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1 D", 86400), ("never", math.inf)]
)
def test_lengths_of_time(text, seconds):
    assert length_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "1w", "1h30m", "nan", "inf", "ten"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(ValueError, match="is no length of time"):
        length_of(text)


def test_what_nobody_says_the_config_does(config, tmp_path):
    assert (Wishes.of(config).export, Wishes.of(config).keep) == ("none", DEFAULT_KEEP)
    other = days_config(tmp_path, "export_config.exporter_type=latest", "export_config.exports_to_keep=2")
    assert (Wishes.of(other).export, Wishes.of(other).keep) == ("full", 2)
    assert (Wishes.of(other, export="delta", keep=9).export, Wishes.of(other, keep=9).keep) == ("delta", 9)


@pytest.mark.parametrize(
    "wish, says",
    [
        ({"export": "dleta"}, '--export "dleta" is none of .* Did you mean "delta"'),
        ({"late": "trian"}, '--late "trian" is none of .* Did you mean "train"'),
        ({"every": 0.0}, "--every: it has to be"),
        ({"every": math.inf}, "--every: it has to be"),
        ({"settle": -1.0}, "--settle: it has to be"),
        ({"keep": 0}, "--keep: 0 is too small"),
        ({"begin": "2026-01-03", "until": "2026-01-02"}, "no part between them"),
    ],
)
def test_wishes_that_cannot_be(config, wish, says):
    with pytest.raises(UserError, match=says):
        Wishes.of(config, **wish)


def test_a_day_may_be_the_first_and_the_last(config):
    assert Wishes.of(config, begin="2026-01-02/03", until="2026-01-02").bounds.until == (2026, 1, 2)


@pytest.mark.parametrize(
    "override, says",
    [
        (
            "train_config.num_steps=2500",
            r"num_steps is 2,500, and so many .* data_config.num_epochs \(1\) says .*train_config.num_steps=0",
        ),
        ("train_config.dead_line='20270101 00:00:00'", "dead_line would end"),
        ("export_config.enable_early_stop=true", "enable_early_stop would leave out"),
    ],
)
def test_what_would_end_a_training_in_the_middle_of_a_part_is_refused(tmp_path, override, says):
    with pytest.raises(UserError, match=says):
        require_followable(days_config(tmp_path, override))


def test_a_part_without_an_end_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"num_epochs is 0, which reads the first part for ever.*num_epochs=1"):
        require_followable(days_config(tmp_path, "train_config.num_steps=5", "data_config.num_epochs=0"))


def test_rows_that_are_no_files_are_refused(config, tmp_path):
    for other in (
        config.with_paths(train_input_path="memory://train"),
        days_config(tmp_path, "data_config.input_type=DummyInput"),
    ):
        with pytest.raises(UserError, match="follow trains on files"):
            require_followable(other)
    require_followable(config)
