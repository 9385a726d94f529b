"""`easymtl board`: what is served, and what is refused."""

import json
import time
from argparse import Namespace
from functools import partial
from urllib.request import urlopen

import pytest

from easymtl.cli import main
from easymtl.errors import UserError
from easymtl.reporting.tensorboard import Summaries
from easymtl.training.events import Evaluated, Summary
from easymtl.verbs.board import find_summaries, require_address, run, start_board


def write_run(model_dir) -> None:
    with Summaries(model_dir, ["click"]) as summaries:
        summaries(Summary(1, {"loss": 1.0, "cross_entropy_loss_click": 1.0}, (0.1, 0.1)))
        summaries(Evaluated(1, {"loss": 2.0, "cross_entropy_loss_click": 2.0}, 10, 1.0))


def fetched(url: str, is_there, seconds: float = 30.0):
    """Returns what an address gives as soon as it is what is waited for: the reader looks for runs by and by."""
    end = time.monotonic() + seconds
    while True:
        with urlopen(url) as answer:
            found = json.load(answer)
        if is_there(found) or time.monotonic() > end:
            return found
        time.sleep(0.1)


def options(model_dir, others) -> Namespace:
    return Namespace(**{"model_dir": str(model_dir), "host": "127.0.0.1", "port": 0, "embeddings": None} | others)


def test_it_looks_at_the_summaries_of_a_training_or_at_those_of_several(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name)
    assert find_summaries(tmp_path / "a") == (tmp_path / "a" / "summaries", 2)
    assert find_summaries(tmp_path) == (tmp_path, 4)
    assert find_summaries(tmp_path / "a" / "summaries" / "eval") == (tmp_path / "a" / "summaries" / "eval", 1)


def test_training_and_evaluation_are_served_and_a_second_board_is_refused(tmp_path):
    write_run(tmp_path)
    address = start_board(find_summaries(tmp_path)[0], "127.0.0.1", 0)
    tags = fetched(f"{address}data/plugin/scalars/tags", lambda found: len(found) == 2)
    assert set(tags) == {"train", "eval"}
    assert set(tags["train"]) & set(tags["eval"]) == {"loss", "loss/click"}
    port = int(address.rstrip("/").rpartition(":")[2])
    message = rf"--port {port}: something else listens there. Name another one, such as --port {port + 1}, or --port 0"
    for refuse in (require_address, partial(start_board, tmp_path)):
        with pytest.raises(UserError, match=message):
            refuse("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_this_machine_does_not_have_is_refused(host):
    with pytest.raises(UserError, match=rf"--host {host} --port 0: cannot be served at: \w+"):
        require_address(host, 0)


def test_ctrl_c_ends_it_quietly_and_the_address_is_told_before(tmp_path, monkeypatch, capsys):
    write_run(tmp_path)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("easymtl.verbs.board.start_board", lambda *_: "http://localhost:1/")
    monkeypatch.setattr("easymtl.verbs.board.wait", interrupted)
    assert main(["board", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"Starting TensorBoard on {tmp_path}/summaries, 2 runs ...",
        "TensorBoard is at http://localhost:1/ - Ctrl-C ends it.",
        "",
    ]
    assert err == ""


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_number_up_to_65535(port):
    with pytest.raises(UserError, match=rf"--port is {port}: a port is a number from 0, any free one, to 65535"):
        require_address("127.0.0.1", port)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({}, "there are no summaries. Train first: easymtl train"),
        ({"model_dir": "nowhere"}, "nowhere: there is no such folder, and no such config. Name the model_dir"),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(tmp_path, others, message):
    with pytest.raises(UserError) as error:
        run(options(tmp_path, others))
    assert message in str(error.value)
