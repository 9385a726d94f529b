"""Builds what is published, and looks whether a user without compilers can install and run it.

    python -m tests.shipping.wheel [--out dist] [--train]

A source distribution is built from the checkout, a wheel from that (`python -m build`, in environments of their own).
Both have to hold what they should and nothing else; the wheel is installed into a bare virtual environment, without its
dependencies, and has to answer there. With `--train` it is installed with all of them, and trains 20 steps: this takes
minutes and 2 GB.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LARGEST_WHEEL = 3 << 20
_COMPILED = ("_pb2.py", "_pb2.pyi")


def build(out: Path) -> tuple[Path, Path]:
    """Writes a source distribution and a wheel into a folder, which is empty, and returns their paths."""
    with tempfile.TemporaryDirectory() as folder:
        # Of a copy: a build leaves files behind.
        copy = Path(folder) / "easymtl"
        shutil.copytree(ROOT, copy, ignore=_left_out)
        _call([sys.executable, "-m", "build", "--outdir", str(out.resolve()), str(copy)])
    (source,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return source, wheel


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Returns what no build reads: it may be large, or of an earlier one."""
    folders = {name for name in names if Path(folder) == ROOT and (Path(folder) / name).is_dir()}
    return (folders - {"easymtl", "protos", "tests", "samples"}) | {name for name in names if name == "__pycache__"}


def _call(command: list[str], folder: Path | None = None) -> str:
    """Returns what a command prints; packages that this process finds by PYTHONPATH are not there for it.

    Raises:
        RuntimeError: it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def of_the_package() -> set[str]:
    """Returns the files of the package in the checkout, but for what is compiled."""
    paths = (path for path in (ROOT / "easymtl").rglob("*") if path.is_file() and path.suffix not in (".pyc", ".pyo"))
    return {path.relative_to(ROOT).as_posix() for path in paths if not path.name.endswith(_COMPILED)}


def compiled() -> set[str]:
    """Returns the files that the protos of the checkout are compiled to."""
    return {f"easymtl/protos/{path.stem}{ending}" for path in (ROOT / "protos").glob("*.proto") for ending in _COMPILED}


def faults_of_source(path: Path) -> list[str]:
    """Returns what is wrong with a source distribution."""
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    protos = {path.relative_to(ROOT).as_posix() for path in (ROOT / "protos").glob("*.proto")}
    needed = {*of_the_package(), *protos, "LICENSE", "README.md", "CHANGELOG.md", "setup.py", "pyproject.toml"}
    return _faults(path, held, needed, held & compiled())


def faults_of_wheel(path: Path) -> list[str]:
    """Returns what is wrong with a wheel."""
    with zipfile.ZipFile(path) as archive:
        held = set(archive.namelist())
    folder = next(name.partition("/")[0] for name in held if ".dist-info/" in name)
    needed = {*of_the_package(), *compiled(), f"{folder}/licenses/LICENSE", f"{folder}/entry_points.txt"}
    beside = {name for name in held - needed if not name.startswith(f"{folder}/")}
    faults = _faults(path, held, needed, beside)
    if path.stat().st_size > _LARGEST_WHEEL:
        faults.append(f"{path.name} has {path.stat().st_size:,} bytes, more than {_LARGEST_WHEEL:,}")
    return faults


def _faults(path: Path, held: set[str], needed: set[str], unwanted: set[str]) -> list[str]:
    faults = [f"{path.name} has no {name}" for name in sorted(needed - held)]
    return faults + [f"{path.name} should not have {name}" for name in sorted(unwanted)]


def install(wheel: Path, folder: Path, with_dependencies: bool = False) -> Path:
    """Installs a wheel into a new virtual environment, and returns its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    flags = ["--only-binary=:all:"] if with_dependencies else ["--no-deps"]
    command = [str(programs / "python"), "-m", "pip", "install", "--quiet", *flags, str(wheel)]
    _call(command)
    return programs


def run(programs: Path, *arguments: str) -> str:
    """Returns what `easymtl` of an environment prints, run in the folder of the environment, away from the checkout."""
    return _call([str(programs / "easymtl"), *arguments], programs.parent)


def main() -> int:
    """Builds, checks, installs and runs; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.shipping.wheel")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to write; default: dist")
    parser.add_argument("--train", action="store_true", help="also install all dependencies, and train 20 steps")
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    for old in (*flags.out.glob("easymtl-*.tar.gz"), *flags.out.glob("easymtl-*.whl")):
        old.unlink()
    source, wheel = build(flags.out)
    faults = [*faults_of_source(source), *faults_of_wheel(wheel)]
    print(*faults, sep="\n", end="\n" if faults else "")
    with tempfile.TemporaryDirectory() as folder:
        programs = install(wheel, Path(folder), flags.train)
        print(run(programs, "--version"), end="")
        run(programs, "--help")
        if flags.train:
            config = str(ROOT / "samples/tour/made_up_rows.config")
            print(run(programs, "train", "--pipeline_config", config, "--set", "train_config.num_steps=20"))
    print(f"{source}\n{wheel}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
