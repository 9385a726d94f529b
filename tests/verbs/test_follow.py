"""`easymtl follow` as a command: what it prints, what programs read, and how a signal ends it."""

import json
import os
import signal
import threading
import time

import pytest

from easymtl.cli import main
from easymtl.reporting.part_records import read_parts
from tests.following.days import DAYS, FOLLOWED, days_config, write_day

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two complete days, and one that has just been begun."""
    folder = tmp_path_factory.mktemp("days")
    for day in range(3):
        write_day(folder, day, marked=day < 2)
    days_config(folder)
    return folder


def words(folder, *more, model="model"):
    sets = [word for text in FOLLOWED for word in ("--set", text)]
    return ["follow", str(folder / "model.config"), *sets, "--model_dir", str(folder / model), *more]


@pytest.fixture(scope="module")
def records(folder, op_by_op):
    """What a program reads while both days are trained on."""
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out:
        assert main(words(folder, "--once", "--log_format", "json")) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_program_reads_what_became_of_each_part(records, folder):
    assert records[-1] | {"time": 0} == {
        "event": "result", "time": 0, "command": "follow", "of": "followed", "parts": DAYS[:2], "step": 10,
        "num_trained": 2, "export": "", "is_stopped": False,
    }  # fmt: skip
    kinds = [record["event"] for record in records if record["event"].startswith("part_")]
    assert kinds == ["part_scored", "part_trained"] * 2
    trained = [{**record, "time": 0} for record in records if record["event"] == "part_trained"]
    assert trained == [{**record, "time": 0} for record in read_parts(folder / "model")]


def test_a_person_reads_what_there_is_and_what_is_waited_for(records, folder, capsys):
    assert main(words(folder, "--once")) == 0
    out = capsys.readouterr().out
    assert "Parts are " in out and "3 parts there, the newest is dt=2026-01-03." in out
    assert f"The part {DAYS[2]} is not complete" in out and "the next run takes it" in out
    assert "Nothing new: no part is there that is complete" in out
    assert "Next:" in out and "--every 1h" in out


def test_it_waits_for_the_next_part_and_a_signal_ends_it(records, folder, capfd):
    def write_and_stop():
        (folder / "logs" / DAYS[2] / "_SUCCESS").touch()
        end = time.monotonic() + 120
        while len(read_parts(folder / "model")) < 3 and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Timer(1, write_and_stop)
    thread.start()
    assert main(words(folder, "--every", "1s")) == 0
    thread.join()
    captured = capfd.readouterr()
    table = [line for line in captured.out.splitlines() if line.startswith(DAYS[2])]
    assert len(table) == 1 and "SIGTERM: ending behind what is being done" in captured.err
    assert "Stopped by SIGTERM at step 15. Run the same command again to go on." in captured.out
    assert "Next:" not in captured.out


def test_a_second_one_in_the_same_model_dir_is_refused(folder, capsys):
    from easymtl.checkpoints.lock import TrainingLock

    with TrainingLock(folder / "model"):
        assert main(words(folder, "--once")) == 2
    assert f"process {os.getpid()} on" in capsys.readouterr().err
