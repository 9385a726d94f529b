"""Whether an export of today scores the same in older releases of TensorFlow, which servers may still have.

    make old-tensorflow        python -m benchmarks.old_tensorflow [NAME ...] [--versions 2.12 2.16 2.18]

Each release is installed into an environment of its own below `--environments`, once. Each sample config trains for
some steps and is exported; the same rows, some with values missing, go through all signatures in the TensorFlow of
easymtl and in each older one, by the loader of servers (a session, and the names of the SignatureDef) and by
`tf.saved_model.load`. Ends with 1 if an export cannot be loaded, or a score differs by more than an export itself may
differ from its checkpoint.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.sample_data import ROOT, sample_paths
from benchmarks.serving_exports import SampleExport, sample_exports
from easymtl.errors import UserError

CONFIGS = (
    "mmoe_on_census",
    "dbmtl_on_livestream",
    "dbmtl_on_taobao",
    "dbmtl_din_on_feed",
    "every_feature_on_posts",
)
VERSIONS = ("2.12", "2.16", "2.18")
LOADERS = ("session", "function")
_CALLS = Path(__file__).with_name("old_tensorflow_calls.py")
# The newest Python that TensorFlow 2.12 has been built for.
_PYTHON = (3, 11)
_NUM_ROWS = 300

Scores = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Found:
    """What came of one export, one release and one loader.

    Attributes:
        signatures: that were asked.
        largest: the largest difference of a score, next to 1 or the largest score of its output.
        output: which output it was.
        failure: why there are no scores; empty if there are.
    """

    signatures: int = 0
    largest: float = 0.0
    output: str = ""
    failure: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Installs, exports, scores and prints a table; returns the exit code."""
    options = _options(arguments)
    from easymtl.serving.parity import TOLERANCE

    pythons = {one: environment(one, options.environments / one, options.python) for one in options.versions}
    rows: list[tuple[str, str, str, Found]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, made in sample_exports(options.names, Path(folder)):
            wanted = {loader: scores_of(made, Path(sys.executable), loader) for loader in LOADERS}
            for version, python in pythons.items():
                rows += [(name, version, loader, _tried(made, python, loader, wanted[loader])) for loader in LOADERS]
    Console(width=140).print(table(rows))
    wrong = [one for *_, one in rows if one.failure or not one.largest <= TOLERANCE]
    for one in wrong:
        print(one.failure or f"{one.output} differs by {one.largest:.1e}, more than {TOLERANCE:.0e}.")
    return 1 if wrong or not rows else 0


def environment(version: str, folder: Path, python: str) -> Path:
    """Returns the interpreter of an environment with a release of TensorFlow, which is made if it is not there.

    Raises:
        CalledProcessError: it cannot be installed.
    """
    interpreter, done = folder / "bin" / "python", folder / "installed.txt"
    # The whole wheel is made for GPUs and six times as large.
    is_small = sys.platform == "linux" and platform.machine() == "x86_64"
    wanted = [f"tensorflow{'-cpu' if is_small else ''}=={version}.*", "pyarrow>=17,<22"]
    if not done.exists() or done.read_text(encoding="utf-8") != "\n".join(wanted):
        print(f"TensorFlow {version} is installed into {folder}.", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
        done.write_text("\n".join(wanted), encoding="utf-8")
    return interpreter


def scores_of(made: SampleExport, python: Path, loader: str) -> Scores:
    """Returns the scores of all signatures, by signature and output.

    Raises:
        UserError: the process that loads the export failed.
    """
    from easymtl.serving.parity import score_apart
    from easymtl.serving.proof_process import RELOAD, ProofProcess

    # All that stand behind the first rows are kept: they lack values, or are of one user.
    behind = len(next(iter(made.sent.values()))) - made.num_rows
    count = min(made.num_rows, _NUM_ROWS)
    sent = {name: _ends(column, count, behind) for name, column in made.sent.items()}
    process = ProofProcess([str(python), "-I", str(_CALLS), loader, str(RELOAD)])
    return score_apart(made.path, sent, made.examples, made.num_users, process)


def _ends(column, count: int, behind: int):
    import pyarrow as pa

    return pa.concat_arrays([column.slice(0, count), column.slice(len(column) - behind)])


def _tried(made: SampleExport, python: Path, loader: str, wanted: Scores) -> Found:
    try:
        return compared(scores_of(made, python, loader), wanted)
    except UserError as error:
        return Found(failure=f"{python.parents[1].name}, {loader}: {error}")


def compared(found: Scores, wanted: Scores) -> Found:
    """Returns the largest difference of all outputs; texts and classes are the same or not."""
    if found.keys() != wanted.keys():
        return Found(failure=f"There are the outputs {sorted(found)}, and not {sorted(wanted)}.")
    differences = {name: _difference(found[name], wanted[name]) for name in wanted}
    output = max(differences, key=differences.__getitem__)
    signatures = {name.rpartition(": ")[0] for name in wanted}
    return Found(len(signatures), differences[output], output)


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    if wanted.dtype.kind == "O":
        return float(np.any(found != wanted))
    is_same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    apart = np.abs(np.subtract(found, wanted, dtype=np.float64, where=~is_same, out=np.zeros(wanted.shape)))
    largest = np.max(np.abs(wanted), initial=1.0, where=np.isfinite(wanted))
    # NaN where only one of them is: more than any tolerance.
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0) / largest)


def table(rows: Sequence[tuple[str, str, str, Found]]) -> Table:
    """Returns a line for each export, release and loader."""
    result = Table(title="largest differences from the TensorFlow of easymtl")
    for heading in ("export", "TensorFlow", "loader"):
        result.add_column(heading)
    for heading in ("signatures", "difference"):
        result.add_column(heading, justify="right")
    result.add_column("output")
    for name, version, loader, one in rows:
        told = ["", "failed", ""] if one.failure else [str(one.signatures), f"{one.largest:.1e}", one.output]
        result.add_row(name, version, loader, *told)
    return result


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=CONFIGS, help="sample configs")
    parser.add_argument("--versions", nargs="+", default=VERSIONS, help="of TensorFlow")
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "old_tensorflow")
    parser.add_argument("--python", default=_old_python(), help="of the environments: 3.11 for TensorFlow 2.12")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {path.stem for path in sample_paths()}
    if unknown:
        parser.error(f"no such sample config: {', '.join(sorted(unknown))}")
    return options


def _old_python() -> str:
    """Returns this interpreter if it is old enough, else what is called as the newest that is."""
    name = f"python{_PYTHON[0]}.{_PYTHON[1]}"
    return sys.executable if sys.version_info[:2] <= _PYTHON else shutil.which(name) or name


if __name__ == "__main__":
    sys.exit(main())
