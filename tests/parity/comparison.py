"""Holds arrays against the files of a golden case, and keeps what was found."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.parity.quirks import Quirk, quirk_of

RELATIVE = 1e-5
ABSOLUTE = {"losses": 2e-6, "forward": 1e-6, "gradients": 2e-6, "weights": 2e-6, "metrics": 2e-6, "rates": 1e-9}
IN_TRAINING = 5e-6
"""Of predictions in training mode: deep stacks with batch norm are 2.4e-6 apart in two right programs."""
_SMALL = 1e-4


@dataclass
class Largest:
    """The largest difference so far, and the array that has it."""

    value: float = 0.0
    where: str = ""

    def update(self, value: float, where: str) -> None:
        """Takes a difference into account."""
        if value > self.value or not self.where:
            self.value, self.where = value, where


@dataclass
class Result:
    """How a case ended.

    Attributes:
        case: its folder below the root.
        status: `passed`, `later` (the config is still to be supported), `differs` (as documented), `failed`.
        text: why, or what there is to know.
        differences: a sentence for each array that is not as it should be.
        num_compared: arrays that were compared.
        num_noisy: those of them whose noise in EasyRec itself is above 2e-6; they are compared as exactly as that
            allows.
        absolute: the largest difference of the others.
        relative: the largest one as a share of the largest value of its array, tiny arrays left out.
    """

    case: str
    status: str = "passed"
    text: str = ""
    differences: list[str] = field(default_factory=list)
    num_compared: int = 0
    num_noisy: int = 0
    absolute: Largest = field(default_factory=Largest)
    relative: Largest = field(default_factory=Largest)


class Comparison:
    """Holds arrays against the files of a case, with the noise that EasyRec itself has there.

    Attributes:
        quirk: what is not compared, as easymtl does it otherwise.
        kink: the first step, from 1, in which a ReLU stood so near to zero that rounding decides its slope; 0 for none.
            What follows it may be apart for good.
    """

    def __init__(self, folder: Path, case: str, quirk: Quirk | None = None):
        self.folder = folder
        self.quirk = quirk or quirk_of(folder)
        noise = self.json("noise.json")
        self.noise: dict[str, float] = noise.get("arrays", {})
        self.largest_noise: dict[str, float] = noise.get("max", {})
        self.notes: list[str] = []
        self.kink = 0
        self._result = Result(case)

    def json(self, name: str) -> dict:
        """Returns a file of the case, empty when it has none."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else {}

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Returns the arrays of a file of the case, empty when it has none."""
        path = self.folder / f"{name}.npz"
        return dict(np.load(path)) if path.exists() else {}

    def is_compared(self, name: str) -> bool:
        """Returns whether this is to be as it is there, the quirk of the case notwithstanding."""
        return self.quirk is None or name.startswith(self.quirk.holds)

    def differ(self, name: str, text: str) -> None:
        """Notes that something is not as it should be, unless a kink was passed on the way."""
        if self.kink and self.is_compared(name):
            text = f"kink at step {self.kink}: compared up to it"
            self.notes = [*dict.fromkeys([*self.notes, text])]
        elif self.is_compared(name):
            self._result.differences.append(f"{name}: {text}")

    def count(self, number: int = 1) -> None:
        """Counts comparisons that were made elsewhere."""
        self._result.num_compared += number

    def compare(self, kind: str, name: str, found: np.ndarray | float, expected: np.ndarray | float) -> None:
        """Compares one array; `name` is `<file>:<array>` as in noise.json, `kind` one of `ABSOLUTE`."""
        if not self.is_compared(name):
            return
        self.count()
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        if found.shape != expected.shape:
            self.differ(name, f"shape {found.shape}, expected {expected.shape}")
            return
        if not found.size:
            return
        noise = self._noise_of(name)
        is_trained = name.startswith("forward_eval:train_step1/")
        absolute = max(IN_TRAINING if is_trained else ABSOLUTE[kind], 4.0 * noise)
        off = np.abs(found - expected)
        self._note_largest(name, float(np.max(off)), float(np.max(np.abs(expected))), noise)
        if not np.all(off <= absolute + RELATIVE * np.abs(expected)):
            self.differ(name, f"off by {np.max(off):.3g}, allowed {absolute:.1g}")

    def _note_largest(self, name: str, off: float, scale: float, noise: float) -> None:
        if noise > ABSOLUTE["weights"]:
            self._result.num_noisy += 1
            return
        self._result.absolute.update(off, name)
        if scale > _SMALL:
            self._result.relative.update(off / scale, name)

    def _noise_of(self, name: str) -> float:
        if name.startswith(("losses:eval_step5", "metrics:step5")):
            return self.largest_noise.get("metrics.json", 0.0)
        return self.noise.get(name, 0.0)

    def result(self) -> Result:
        """Returns what came of it."""
        result = self._result
        if result.differences:
            result.status, result.text = "failed", result.differences[0]
        elif self.quirk:
            result.status, result.text = "differs", self.quirk.reason
        else:
            result.text = "; ".join(self.notes)
        return result
