"""Is a commit faster or slower than another? `python -m benchmarks.guard OLD [NEW] [--rounds 7] [--only step]`.

Both versions run the same `easymtl train` commands in turns, each in its own checkout, and what is held against each
other is the processor time of their processes: the machine may do other work beside it. Only the command line and a
config of the older version are used, so that any two commits can be compared that know these.

What is measured:

    start   a training of the taobao DBMTL on made-up rows that makes a single step, the start of Python included
    step    one more step of it in float32: a longer training less a shorter one
    small   the same of the livestream DBMTL, 512 rows and five towers, which operations rule and not arithmetic
    feed    one more row of 20 columns from Parquet for a network of next to nothing: three files less one
    train   one more row of the whole, from CSV, in the precision that AUTO takes: three files less one
    train32 the same in float32

A round measures old and new once, and the next round in the other order. The logarithms of the ratios of the rounds
have a mean and a standard error; by Student's t with one degree of freedom less than there are rounds they give an
interval in which the ratio lies with 95 %. It is below 1: faster. Above: slower. Else neither can be said, and more
rounds would narrow it.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from benchmarks.workloads import ROOT, saving_once
from easymtl.synth import write

_BASE = "samples/configs/dbmtl_on_taobao.config"
_SMALL_BASE = "samples/configs/dbmtl_on_livestream.config"
_ROWS = 200_000
_FLOAT32 = "train_config.mixed_precision=FLOAT32"
_MADE_UP = ("data_config.input_type=DummyInput", "data_config.num_epochs=0")
_FEW, _MANY = 10, 110
_MANY_SMALL = 1010
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Verdict:
    """How the newer of two stands to the older.

    Attributes:
        ratio: of the times, new over old.
        lowest: below it the ratio lies with 2.5 %.
        highest: above it, likewise.
    """

    ratio: float
    lowest: float
    highest: float

    @property
    def word(self) -> str:
        """Returns faster, slower or neither."""
        if self.highest < 1:
            return "faster"
        return "slower" if self.lowest > 1 else "neither"


def verdict(old: Sequence[float], new: Sequence[float]) -> Verdict:
    """Compares times that were measured in pairs.

    Args:
        old: seconds of each round.
        new: the same of the other version; as many, at least two.

    Raises:
        ValueError: there are fewer than two pairs, or a time is not above 0.
    """
    if len(old) != len(new) or len(old) < 2 or min(*old, *new) <= 0:
        raise ValueError(f"an interval takes two pairs of times above 0 or more, not {list(old)} and {list(new)}")
    ratios = [math.log(after / before) for before, after in zip(old, new)]
    mean, error = statistics.fmean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))
    half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(ratios) - 1)) * error
    return Verdict(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


class Version:
    """A checkout whose commands are measured."""

    def __init__(self, folder: Path, configs: Path, work: Path):
        """Takes what is measured.

        Args:
            folder: the checkout, whose protos are generated.
            configs: the checkout whose configs are trained.
            work: a folder for what trainings write.
        """
        self._folder, self._configs, self._work = folder, configs, work

    def seconds(self, *overrides: str, base: str = _BASE) -> float:
        """Returns the processor seconds of a training, those of the processes that it waited for included.

        Args:
            overrides: of the config.
            base: the config.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        with tempfile.TemporaryDirectory(dir=self._work) as model_dir:
            settings = [*saving_once(model_dir, 1_000_000), "eval_input_path=", *overrides]
            command = [sys.executable, "-m", "easymtl", "train", "--pipeline_config", str(self._configs / base)]
            command += [part for setting in settings for part in ("--set", setting)]
            environment = {**os.environ, "PYTHONPATH": str(self._folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
            log = Path(model_dir, "log.txt")
            with log.open("w") as output:
                process = subprocess.Popen(command, cwd=self._work, env=environment, stdout=output, stderr=output)
                _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise RuntimeError(f"{self._folder}: {' '.join(command)} has failed:\n{log.read_text()[-3000:]}")
        return usage.ru_utime + usage.ru_stime


def start(version: Version) -> float:
    """Returns the processor seconds of a training of one step."""
    return version.seconds(*_MADE_UP, "train_config.num_steps=1")


def step(version: Version) -> float:
    """Returns the processor seconds of one more step."""
    few, many = (version.seconds(*_MADE_UP, _FLOAT32, f"train_config.num_steps={number}") for number in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW)


def small(version: Version) -> float:
    """Returns the processor seconds of one more step of a small model."""
    few, many = (
        version.seconds(*_MADE_UP, _FLOAT32, f"train_config.num_steps={number}", base=_SMALL_BASE)
        for number in (_FEW, _MANY_SMALL)
    )
    return (many - few) / (_MANY_SMALL - _FEW)


def _of_a_row(version: Version, file: str, *overrides: str) -> float:
    """Returns the processor seconds of one more row of a file: a training of three files less one of one."""
    one, three = (
        version.seconds(*overrides, "data_config.num_epochs=1", f"train_input_path={','.join([file] * number)}")
        for number in (1, 3)
    )
    return (three - one) / (2 * _ROWS)


def feed(version: Version) -> float:
    """Returns the processor seconds of one more row of Parquet for a network of next to nothing."""
    return _of_a_row(version, "parquet/train.parquet", _FLOAT32, "data_config.input_type=ParquetInput", *_SMALL)


def train(version: Version) -> float:
    """Returns the processor seconds of training on one more row of CSV."""
    return _of_a_row(version, "csv/train.csv")


def train32(version: Version) -> float:
    """Returns the same in float32."""
    return _of_a_row(version, "csv/train.csv", _FLOAT32)


_SMALL = (
    "model_config.dbmtl.bottom_dnn.hidden_units=16",
    *(f"model_config.dbmtl.task_towers[{tower}].dnn.hidden_units=8" for tower in range(2)),
    "model_config.dbmtl.task_towers[1].relation_dnn.hidden_units=8",
)
MEASURES: Mapping[str, Callable[[Version], float]] = {
    "start": start,
    "step": step,
    "small": small,
    "feed": feed,
    "train": train,
    "train32": train32,
}

_USUAL = ["start", "step", "feed"]


def compare(versions: Sequence[Version], names: Sequence[str], rounds: int) -> Iterator[tuple[str, list[list[float]]]]:
    """Yields the times of both versions, in turns, for each of some measures."""
    for name in names:
        times: list[list[float]] = [[], []]
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                times[which].append(MEASURES[name](versions[which]))
        yield name, times


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """Has a commit in a folder, with its protos generated, for a while.

    Raises:
        SystemExit: there is no such commit.
    """
    done = subprocess.run(
        ["git", "worktree", "add", "--detach", str(folder), revision],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{revision} cannot be checked out: {done.stderr.strip()}")
    try:
        subprocess.run([sys.executable, "setup.py", "--quiet", "build_protos"], cwd=folder, check=True)
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns 1 where something is slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__.split("\n", 1)[0])
    parser.add_argument("old", help="a commit")
    parser.add_argument("new", nargs="?", help="a commit; what is in this checkout, committed or not, if there is none")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of each measure, two at least")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=_USUAL)
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error(f"--rounds is {options.rounds}: an interval takes 2 or more")
    is_slower = False
    with tempfile.TemporaryDirectory(prefix="easymtl-guard-") as name:
        work = Path(name, "work")
        work.mkdir()
        for file_format in ("parquet", "csv"):
            write("taobao", _ROWS, out=work / file_format, format=file_format, eval_rows=1, truth=False)
        with checkout(options.old, Path(name, "old")) as old, _newer(options.new, Path(name, "new")) as new:
            versions = [Version(folder, old, work) for folder in (old, new)]
            print(f"{'':8}{'old':>12}{'new':>12}{'new/old':>10}   95 % interval", flush=True)
            for what, times in compare(versions, options.only, options.rounds):
                found = verdict(*times)
                is_slower |= found.word == "slower"
                olds, news = (_text(statistics.median(each)) for each in times)
                interval = f"{found.lowest:.3f} to {found.highest:.3f}"
                print(f"{what:8}{olds:>12}{news:>12}{found.ratio:>10.3f}   {interval}   {found.word}", flush=True)
    return int(is_slower)


@contextmanager
def _newer(revision: str | None, folder: Path) -> Iterator[Path]:
    if revision is None:
        yield ROOT
        return
    with checkout(revision, folder) as found:
        yield found


def _text(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.4g} {unit}"
    return f"{seconds * 1e6:.4g} µs"


if __name__ == "__main__":
    sys.exit(main())
