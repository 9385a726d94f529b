"""Other libraries, each in a virtual environment of its own: they do not install beside a current TensorFlow."""

import json
import subprocess
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_REST_SECONDS = 0.5
"""Threads of a library look for work for some time before they sleep."""


@dataclass(frozen=True)
class Peer:
    """A library that the same networks are trained with.

    Attributes:
        name: in tables.
        script: what trains with it.
        packages: what is installed, as pip reads it, in order.
    """

    name: str
    script: str
    packages: tuple[tuple[str, ...], ...]

    def prepare(self, environments: Path) -> None:
        """Makes its environment when it is not there.

        Raises:
            PeerError: it cannot be installed.
        """
        python = self.python(environments)
        done = python.parent.parent / ".installed"
        if done.exists():
            return
        try:
            venv.create(python.parent.parent, with_pip=True)
            for packages in self.packages:
                subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise PeerError(f"{self.name} cannot be installed: {error}") from None
        done.touch()

    def python(self, environments: Path) -> Path:
        """Returns the interpreter of its environment."""
        return environments / self.script.removesuffix("_fit.py") / "bin" / "python"

    def start(self, environments: Path, folder: Path) -> "PeerTraining":
        """Starts a training on the arrays in a folder (see benchmarks/peer_data.py).

        Raises:
            PeerError: the library cannot be installed or does not train.
        """
        self.prepare(environments)
        command = [str(self.python(environments)), str(_FOLDER / self.script), str(folder)]
        return PeerTraining(self.name, command, folder)


class PeerError(Exception):
    """A library cannot be measured."""


class PeerTraining:
    """A training in a process of its own, which waits between the stretches that it is told to train.

    Attributes:
        num_weights: of the whole model, its tables included.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path):
        """Starts the process, and waits until it is ready."""
        self._name = name
        self._errors = (folder / "errors.txt").open("w+", encoding="utf-8")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)
        self.num_weights = int(self._answer()["weights"])

    def examples_per_second(self, seconds: float) -> float:
        """Trains for about some seconds, behind some steps that are not measured, and returns the speed."""
        assert self._process.stdin
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        rate = float(self._answer()["examples_per_second"])
        time.sleep(_REST_SECONDS)
        return rate

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()

    def _answer(self) -> dict:
        """Returns the next line of JSON; other lines are what libraries print."""
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:]
        raise PeerError(f"{self._name} has ended: {' '.join(last)}")


PEERS = [
    Peer("DeepCTR", "deepctr_fit.py", (("tensorflow>=2.15,<2.16", "deepctr>=0.9.3,<0.10"),)),
    Peer(
        "torch-rechub",
        "torch_rechub_fit.py",
        (("torch", "--index-url", "https://download.pytorch.org/whl/cpu"), ("torch-rechub>=0.0.3",)),
    ),
]
