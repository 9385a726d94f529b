"""Other libraries, each in a virtual environment of its own: they do not install beside a current TensorFlow."""

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


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

    def python(self, environments: Path) -> Path:
        """Returns the interpreter of its environment, which is made when it is not there."""
        folder = environments / self.script.removesuffix("_fit.py")
        python = folder / "bin" / "python"
        done = folder / ".installed"
        if not done.exists():
            print(f"Installing {self.name} into {folder}", file=sys.stderr)
            venv.create(folder, with_pip=True)
            for packages in self.packages:
                subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
            done.touch()
        return python

    def examples_per_second(self, environments: Path, folder: Path) -> float:
        """Trains on the arrays in a folder (see benchmarks/peer_data.py) and returns the speed."""
        command = [self.python(environments), _FOLDER / self.script, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(json.loads(done.stdout.splitlines()[-1])["examples_per_second"])


PEERS = [
    Peer("DeepCTR", "deepctr_fit.py", (("tensorflow>=2.15,<2.16", "deepctr>=0.9.3,<0.10"),)),
    Peer(
        "torch-rechub",
        "torch_rechub_fit.py",
        (("torch", "--index-url", "https://download.pytorch.org/whl/cpu"), ("torch-rechub>=0.0.3",)),
    ),
]
