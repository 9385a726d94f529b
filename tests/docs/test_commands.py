"""Every command of the documentation is one that the command line takes, and is run, or is named with why it is not."""

import os
import re
from pathlib import Path

import pytest

from easymtl.cli import build_parser, main
from easymtl.cli.options import CONFIG_PLACE
from easymtl.cli.run import parse
from tests.docs.not_run import NOT_RUN
from tests.docs.pages import PAGES, PROGRAMS, ROOT, Block, blocks, commands, commands_of, name_of, text_of
from tests.docs.running import Runner, small
from tests.ways.conftest import ask_here  # noqa: F401

COMMANDS = [(page, words) for page in PAGES for words in commands_of(page)]
RUN = [page for page in PAGES if any(block.is_run for block in blocks(text_of(page)))]
ALL = [(name_of(page), words) for page in PAGES for program in PROGRAMS for words in commands_of(page, program)]


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda part: name_of(part) if isinstance(part, Path) else "")
def test_the_command_line_takes_it(page, words, capsys):
    parser = build_parser()
    try:
        parse(parser, words[1:])
    except SystemExit as end:
        assert end.code == 0, f"{name_of(page)}: {' '.join(words)}\n{capsys.readouterr().err}"


def test_there_are_commands():
    assert len(COMMANDS) > 30
    assert len(RUN) >= 4


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_targets_of_make_are_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = {words[1] for words in commands_of(page, "make")}
    assert used - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_are_run_are_there(page):
    for words in commands_of(page, "python"):
        if words[1] == "-m" and words[2].split(".")[0] in ("easymtl", "benchmarks", "tests"):
            path = ROOT.joinpath(*words[2].split("."))
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), words
        elif words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


def test_commands_are_found_in_all_their_forms():
    text = (
        "text `easymtl no` easymtl no\n\n    easymtl a --b 'c d' \\\n        --e   # why\n    easymtl train: said\n\n"
        "```sh\n$ easymtl f > g\nmake no\neasymtl h | i\n```\n\n<!-- run with x.config -->\n\n```sh\neasymtl j\n```\n"
        "<!-- run after training with y.config, z.config of y.config in a, b/c -->\n\n    easymtl k\n\n<!-- run -->\n\n"
        "    easymtl l\n"
    )
    found = list(blocks(text))
    assert [words for block in found for words in commands(block.text)] == [
        ["easymtl", "a", "--b", "c d", "--e"],
        ["easymtl", "f"],
        ["easymtl", "h"],
        ["easymtl", "j"],
        ["easymtl", "k"],
        ["easymtl", "l"],
    ]
    assert found[:2] == [Block(block.text) for block in found[:2]]
    assert found[2:] == [
        Block("easymtl j\n", True, ("x.config",)),
        Block("easymtl k\n", True, ("y.config", "z.config of y.config"), True, ("a", "b/c")),
        Block("easymtl l\n", True),
    ]


def is_named(page: str, words: list[str]) -> bool:
    return any(row.covers(page, words) for row in NOT_RUN)


def asked(words: list[str]) -> dict:
    """Returns what a command asks for when it is small, whichever way it is written."""
    options = parse(build_parser(), small(words))
    return {name: value for name, value in vars(options).items() if name != CONFIG_PLACE}


def test_every_command_is_run_or_named_with_the_reason_why_it_is_not(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = [asked(words) for page in RUN for words in runs_of(name_of(page))]
    left = [(page, words) for page, words in ALL if not is_named(page, words)]
    missing = [(page, " ".join(words)) for page, words in left if words[0] != "easymtl" or asked(words) not in run]
    assert missing == [], "put it below <!-- run -->, or into tests/docs/not_run.py"


def runs_of(page: str) -> list[list[str]]:
    """Returns the commands of a page that are run."""
    of_blocks = (commands(block.text) for block in blocks(text_of(ROOT / page)) if block.is_run)
    return [words for found in of_blocks for words in found if not is_named(page, words)]


def test_each_reason_is_that_of_a_command_and_names_tests_that_are_there():
    for row in NOT_RUN:
        assert any(row.covers(page, words) for page, words in ALL), row
        for path in re.findall(r"tests/\w+/\w+\.py", row.why):
            assert (ROOT / path).is_file(), path


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return Runner(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def cheap(monkeypatch, tmp_path, score_here):
    """Leaves out what other tests look at: further processes, and what was measured on this machine."""
    from easymtl.tuning.trainings import Outcome
    from easymtl.verbs import compare
    from easymtl.ways import registry
    from easymtl.ways.tensorflow_apart import TensorFlow

    def train(training, *_):
        sets = [flag for text in training.overrides for flag in ("--set", text)]
        assert main(["train", str(training.config), *sets]) == 0
        return Outcome()

    monkeypatch.setattr(compare, "ProcessRunner", lambda _: train)
    monkeypatch.setattr(registry, "all_ways", lambda *_: (TensorFlow(),))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
@pytest.mark.usefixtures("op_by_op", "cheap", "ask_here")
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_commands_run(page, tmp_path, monkeypatch, runner):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").mkdir()
    os.symlink(ROOT / "samples" / "configs", tmp_path / "samples" / "configs")
    text = text_of(page)
    for block in blocks(text):
        if block.is_run:
            runner.run(block, text, lambda words: is_named(name_of(page), words))
