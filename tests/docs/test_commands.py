"""Every command of the documentation is one that the command line takes, and those that say so are run."""

import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.cli import build_parser, main
from easymtl.cli.run import parse
from tests.docs.pages import (
    PAGES,
    ROOT,
    Block,
    blocks,
    commands,
    commands_of,
    name_of,
    text_of,
    whole_config,
)

COMMANDS = [(page, words) for page in PAGES for words in commands_of(page)]
RUN = [page for page in PAGES if any(block.is_run for block in blocks(text_of(page)))]
# What ends by a signal alone, or trains in processes of its own.
NOT_RUN = {"serve", "board", "compare", "launch"}
SMALL = ("data_config.batch_size=128", "data_config.num_epochs=0", "train_config.num_steps=4")


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
        "<!-- run after training with y.config -->\n\n    easymtl k\n\n<!-- run -->\n\n    easymtl l\n"
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
        Block("easymtl j\n", True, "x.config"),
        Block("easymtl k\n", True, "y.config", True),
        Block("easymtl l\n", True),
    ]


def make_data(config: str) -> None:
    """Writes a few rows of what a config reads, of whatever is in its columns."""
    from google.protobuf import text_format

    from easymtl.protos.data_pb2 import DatasetConfig
    from easymtl.protos.pipeline_pb2 import Pipeline

    pipeline = text_format.Parse(config, Pipeline())
    random, columns = np.random.default_rng(0), {}
    for field in pipeline.data_config.input_fields:
        kind = DatasetConfig.FieldType.Name(field.input_type)
        numbers = random.integers(0, 2, 600)
        if kind == "STRING":
            columns[field.input_name] = pa.array([f"v{number}" for number in random.integers(0, 50, 600)])
        else:
            columns[field.input_name] = pa.array(numbers if kind.startswith("INT") else numbers / 7)
    days = [f"days/dt=2026-11-{day}/part.parquet" for day in (26, 27)]
    further = ("eval.parquet", "logs/2026-11-27/part.parquet", *days)
    for path in (pipeline.train_input_path, pipeline.eval_input_path, *further):
        file = Path(path.replace("*", "01"))
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), file)
    for day in days:
        Path(day).with_name("_SUCCESS").touch()


def small(words: list[str]) -> list[str]:
    """Returns the arguments of a command with fewer rows and steps."""
    if words[1] == "synth":
        place = words.index("--rows") + 1
        return [*words[1:place], "2000", *words[place + 1 :]]
    sets = {"train": SMALL, "follow": SMALL[:1]}.get(words[1], ())
    if "--new_data" in words:
        sets = [*sets, "train_config.num_steps=8"]
    return [*words[1:], *(flag for text in sets for flag in ("--set", text))]


def make_table(file: str) -> None:
    """Writes rows as a newcomer has them, and `new.parquet` without their labels."""
    random = np.random.default_rng(0)
    click = random.integers(0, 2, 600)
    new = {
        "user_id": [f"u{number}" for number in random.integers(0, 50, 600)],
        "city": random.choice(["Oslo", "Rome"], 600),
        "age": random.integers(18, 70, 600),
    }
    labels = {"click": click, "like": click * random.integers(0, 2, 600), "watch_seconds": click * random.random(600)}
    pq.write_table(pa.table(new | labels), file)
    pq.write_table(pa.table(new), "new.parquet")


def run_block(block: Block, page: str) -> None:
    if block.config.endswith(".parquet"):
        make_table(block.config)
    elif block.config:
        config = whole_config(page)
        Path(block.config).write_text(config, encoding="utf-8")
        make_data(config)
    if block.is_trained:
        assert main(small(["easymtl", "train", "--pipeline_config", block.config])) == 0
    for words in commands(block.text):
        if words[1] not in NOT_RUN:
            assert main(small(words)) == 0, " ".join(words)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_commands_run(page, tmp_path, monkeypatch, op_by_op, score_here):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").mkdir()
    os.symlink(ROOT / "samples" / "configs", tmp_path / "samples" / "configs")
    text = text_of(page)
    for block in blocks(text):
        if block.is_run:
            run_block(block, text)
