"""What commands say in a terminal, and in which order; how long it takes is for the benchmark to tell."""

import re

import pytest

from benchmarks.words import commands, listen, silence, write_space
from easymtl.cli import build_parser
from easymtl.cli.run import parse
from easymtl.synth import write
from easymtl.tuning.space import read_space
from tests.errors.project import Project

ERASED = re.compile(r"\r\x1b\[2K")


def in_order(said: str, *words: str) -> None:
    """Checks that words were said, each behind the one before."""
    place = 0
    for word in words:
        found = said.find(word, place)
        assert found >= 0, f'"{word}" is missing behind {said[place - 200 if place > 200 else 0 : place + 200]!r}'
        place = found + len(word)


def screen(said: str) -> list[str]:
    """Returns the lines that are left on the screen, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    return [ERASED.split(line)[-1].rstrip("\r") for line in plain.split("\n")]


@pytest.mark.parametrize(
    ("times", "seconds", "found"),
    [
        ([3.0, 4.0], 5.0, (3.0, 3.0, 0)),  # before the first word
        ([1.0, 4.0, 4.5], 5.0, (1.0, 3.0, 1)),  # between two
        ([1.0, 2.0], 9.0, (1.0, 7.0, 2)),  # behind the last one
        ([], 5.0, (5.0, 5.0, 0)),
    ],
)
def test_the_longest_silence_is_found_wherever_it_is(times, seconds, found):
    assert silence(times, seconds) == found


def test_all_commands_are_listened_to_and_can_be_read(tmp_path):
    parser, found = build_parser(), commands(tmp_path, 100)
    for arguments in found.values():
        parse(parser, arguments)
    reasons = {"import-checkpoint": "it needs a checkpoint of EasyRec, which nothing here can write"}
    assert {arguments[0] for arguments in found.values()} | reasons.keys() == {*parser.verbs}
    write_space(tmp_path)
    assert read_space(str(tmp_path / "space.textproto"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    write("livestream", 2000, out=folder / "data")
    return commands(folder, 2000)


def test_a_check_says_what_it_does_before_it_has_done_it(project):
    words = listen(project["check"])
    assert words.code == 0
    in_order(words.said, "starting: easymtl check", "reading: ", "the first rows of", ": ok. dbmtl", "Next:")
    assert not any("..." in line and "0:0" in line for line in screen(words.said)), "what was done is gone"
    # Lines are broken between words alone; what is longer than a line is a path.
    assert all(len(line) <= 80 or max(map(len, line.split())) > 60 for line in screen(words.said))


def test_a_mistake_is_told_below_nothing(project):
    words = listen(["check", "nowhere.config"])
    assert words.code == 2
    assert screen(words.said)[0].startswith("easymtl check: nowhere.config: there is no such file")


@pytest.mark.slow
def test_a_training_says_all_that_takes_a_while_in_order(tmp_path):
    # The fewer features there are, the less is traced in the two processes that this takes.
    folder = Project(tmp_path / "p").folder
    sets = {
        "train_input_path": folder / "train.csv",
        "eval_input_path": folder / "eval.csv",
        "model_dir": folder / "model",
        "export_config.exporter_type": "final",
        "train_config.log_step_count_steps": 1,
    }
    flags = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    words = listen(["train", str(folder / "x.config"), *flags])
    assert words.code == 0, words.said[-2000:]
    in_order(words.said, "starting: easymtl train", "reading: ", "starting TensorFlow", "loading: ")
    in_order(words.said, "building: the model", "reading: the first rows", "tracing: the first step")
    in_order(words.said, "tracing: the first step", "step 1", "evaluating: step", "Evaluation at step", "saving: step")
    in_order(words.said, "Saved", "Trained to step", "tracing: what the export computes", "proving the export")
    in_order(words.said, "proving the export", "Exported", "Next:", "easymtl eval")
    left = screen(words.said)
    assert not any(" ...  0:" in line for line in left)
    assert all(len(line) <= 80 or max(map(len, line.split())) > 60 for line in left)
