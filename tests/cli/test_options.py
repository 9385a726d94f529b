"""Values of flags."""

import argparse

import pytest

from easymtl.cli import build_parser
from easymtl.cli.options import patience
from easymtl.cli.run import parse


def test_workers_have_time_for_a_sign_of_life():
    assert patience("5") == 5.0
    with pytest.raises(argparse.ArgumentTypeError, match=r'"4\.9" is below 5'):
        patience("4.9")
    with pytest.raises(argparse.ArgumentTypeError, match="no number of seconds"):
        patience("soon")


@pytest.mark.parametrize(
    ("command", "names", "found"),
    [
        ("report --pipeline_config x.config", ["model_dirs"], [["x.config"]]),
        ("report other --pipeline_config x.config", ["model_dirs"], [["x.config", "other"]]),
        ("report one two", ["model_dirs"], [["one", "two"]]),
        ("board --pipeline_config x.config", ["model_dir"], ["x.config"]),
        ("serve --pipeline_config_path x.config", ["export"], ["x.config"]),
        ("serve x.config", ["export"], ["x.config"]),
        ("compare --pipeline_config x.config y.config", ["a", "b"], ["x.config", "y.config"]),
        ("compare x.config y.config", ["a", "b"], ["x.config", "y.config"]),
    ],
)
def test_a_config_with_its_flag_is_the_first_model_that_is_looked_at(command, names, found):
    options = parse(build_parser(), command.split())
    assert [getattr(options, name) for name in names] == found


def test_all_commands_take_a_config_with_its_flag_but_those_that_are_of_none():
    verbs = build_parser().verbs
    without = {name for name, verb in verbs.items() if "--pipeline_config" not in verb._option_string_actions}
    # They make data, a config or none of our language; what `launch` starts has a config of its own.
    assert without == {"init", "synth", "convert", "launch", "doctor", "completion"}
