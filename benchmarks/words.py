"""How soon and how often commands say something: `python -m benchmarks.words [--rows 30000] [--only train,eval]`.

Each command runs in a pseudo-terminal of 80 columns, one after the other on one small data set. What changes on the
screen counts as a word; the longest silence is the longest time between two of them, or before the first, or behind
the last.
"""

import argparse
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_FOREIGN = _ROOT / "samples/torcheasyrec/dbmtl_on_tenrec.config"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
# What commands say that do not end by themselves.
_READY = {"serve": "curl", "board": "Ctrl-C ends it"}
_CONFIG = _ROOT / "samples/configs/dbmtl_on_livestream.config"


@dataclass(frozen=True)
class Words:
    """When a command has said something.

    Attributes:
        command: its verb.
        first: seconds until the first word.
        silence: seconds of the longest silence.
        behind: the last words before that.
        seconds: that it took in all.
        code: its exit code.
        said: all of it, control codes included.
    """

    command: str
    first: float
    silence: float
    behind: str
    seconds: float
    code: int
    said: str = field(default="", repr=False)


def listen(arguments: Sequence[str], is_enough: Callable[[str], bool] = lambda said: False) -> Words:
    """Runs `easymtl <arguments>` in a pseudo-terminal.

    Args:
        arguments: the verb first.
        is_enough: is asked with all that was said; a command that does not end by itself is sent SIGTERM then.
    """
    leader, follower = pty.openpty()
    # As a user has it: who asks TensorFlow for a level of logs gets them, also in the last line of a terminal.
    own = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment = {**own, "COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color", "PYTHONPATH": str(_ROOT)}
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "easymtl", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    said, times, behind = "", [], [""]
    while True:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                words = os.read(leader, 1 << 16)
            except OSError:
                break
            if not words:
                break
            times.append(time.monotonic() - begin)
            said += words.decode("utf-8", "replace")
            behind.append(said[-200:])
        if is_enough(said):
            process.send_signal(signal.SIGTERM)
            is_enough = _never
    code = process.wait()
    os.close(leader)
    seconds = time.monotonic() - begin
    first, longest, place = silence(times, seconds)
    return Words(arguments[0], first, longest, _last_words(behind[place]), seconds, code, said)


def silence(times: Sequence[float], seconds: float) -> tuple[float, float, int]:
    """Returns the time of the first word, the length of the longest silence, and how many words were before it.

    Args:
        times: of the words, from the start of the command.
        seconds: that it took in all.
    """
    gaps = [after - before for before, after in zip([0.0, *times], [*times, seconds])]
    place = max(range(len(gaps)), key=gaps.__getitem__)
    return times[0] if times else seconds, gaps[place], place


def _never(said: str) -> bool:
    return False


def _last_words(said: str) -> str:
    """Returns the end of what was said, without control codes."""
    plain = "".join(letter if letter.isprintable() else " " for letter in _CONTROL.sub(" ", said))
    return " ".join(plain.split())[-60:]


def commands(folder: Path, rows: int) -> dict[str, list[str]]:
    """Returns the arguments of each verb that runs on the sample data, in the order in which they need each other."""
    data, model = folder / "data", folder / "model"
    export, eval_rows = str(model / "export/final"), str(data / "eval.parquet")
    config = ["--pipeline_config", str(_CONFIG), "--model_dir", str(model)]
    inputs = ["--set", f"train_input_path={data}/train.parquet", "--set", f"eval_input_path={eval_rows}"]
    drafted, days, space = folder / "drafted.config", folder / "days", folder / "space.textproto"
    daily = [*inputs[2:], "--set", f"train_input_path={days}", "--set", "data_config.num_epochs=1"]
    daily += ["--set", "train_config.num_steps=0"]
    return {
        "synth": ["synth", "livestream", "--rows", str(rows), "--out", str(data)],
        "convert": ["convert", str(_FOREIGN), "--out", str(folder / "converted.config")],
        "check": ["check", *config, *inputs],
        "train": ["train", *config, *inputs, "--set", "data_config.batch_size=256"],
        "eval": ["eval", *config, *inputs],
        "export": ["export", *config, *inputs],
        "predict": ["predict", *config, *inputs, "--input", eval_rows, "--output", str(folder / "scores.parquet")],
        "importance": ["importance", *config, *inputs, "--rows", "2000", "--repeats", "2"],
        "verify": ["verify", export, "--input", eval_rows, "--with", "tensorflow,saved_model_cli,rest"],
        "serve": ["serve", export, "--rest_port", "0", "--grpc_port", "0"],
        "importance by row": ["importance", *config, *inputs, "--by_row", "5"],
        "init": ["init", eval_rows, "--labels", "is_click,is_view", "--out", str(drafted), "--force"],
        "report": ["report", str(model), "--out", str(folder / "report.html")],
        "board": ["board", str(model), "--port", "0"],
        "plan": ["plan", *config, *inputs, "--workers", "2", "--device", "cpu", "--bandwidth", "1Gbit"],
        "compare": ["compare", str(model), str(model)],
        "tune": ["tune", *config, *inputs, "--space", str(space), "--trials", "1", "--study", str(folder / "study")],
        "synth of a day": ["synth", "livestream", "--rows", str(rows), "--out", str(days / "dt=2026-01-01")],
        "follow": ["follow", *config[:2], "--model_dir", str(folder / "daily"), *daily, "--once", "--settle", "0"],
        "launch": ["launch", "--workers", "2", "--", "train", *config, *inputs],
        "doctor": ["doctor", "--seconds", "1"],
        "completion": ["completion", "bash"],
    }


def write_space(folder: Path) -> None:
    """Writes what `tune` of these commands searches."""
    text = 'field { path: "data_config.batch_size" choice { value: ["256", "512"] } }\n'
    (folder / "space.textproto").write_text(text)


def _record(words: Words) -> dict:
    return {name: value for name, value in vars(words).items() if name != "said"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a row for each command, and writes them to a file of JSON where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000, help="rows of the training file")
    parser.add_argument("--only", default="", help="a comma list of commands; default: all")
    parser.add_argument("--folder", help="an earlier one to use again; default: a new one that is removed")
    parser.add_argument("--json", type=Path, help="where to write what was found")
    flags = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as new:
        folder = Path(flags.folder or new)
        write_space(folder)
        chosen = commands(folder, flags.rows)
        only = [name for name in flags.only.split(",") if name]
        print(f"{'command':<18}{'first word':>11}{'silence':>9}{'in all':>9}  longest behind")
        found = []
        for verb, words in chosen.items():
            if only and verb not in only:
                continue
            sign = _READY.get(verb)
            ready = (lambda said, sign=sign: sign in said) if sign else _never
            found.append(listen(words, ready))
            one = found[-1]
            failed = f" (exit code {one.code})" if one.code else ""
            print(
                f"{verb:<18}{one.first:>9.2f} s{one.silence:>7.2f} s{one.seconds:>7.1f} s  {one.behind}{failed}",
                flush=True,
            )
    if flags.json:
        flags.json.write_text(json.dumps([_record(one) for one in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
