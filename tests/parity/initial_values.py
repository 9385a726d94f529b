"""Our own initial values against the statistics of EasyRec's: drawn from one law, though not the same numbers."""

import math

import numpy as np

from easymtl.checkpoints.names_of_easyrec import is_count_of_norm, name_there
from easymtl.tasks.ranker import Ranker
from tests.parity.comparison import Comparison

_DEVIATIONS = 5.0
_ENOUGH_FOR_MOMENTS = 16
_ROUNDED = 1.0001


def compare_initial_values(ranker: Ranker, comparison: Comparison) -> None:
    """Compares shape, mean, standard deviation and bounds of every parameter with `easyrec_own_init.json`."""
    expected = comparison.json("easyrec_own_init.json")
    if not expected:
        return
    there = set(expected)
    for name, parameter in ranker.parameters.items():
        found = name_there(name, there)
        if found is None:
            if not is_count_of_norm(name):
                comparison.differ(f"own_init:{name}", "EasyRec has it not")
            continue
        there.discard(found)
        comparison.count()
        for problem in _problems(name, parameter.read().numpy(), expected[found]):
            comparison.differ(f"own_init:{name}", problem)
    unread = tuple(f"{name}/" for name in ranker.unread)
    missing = sorted(name for name in there if not name.startswith(unread))
    if missing:
        comparison.differ("own_init:", f"we have no {missing}")


def _problems(name: str, value: np.ndarray, expected: dict) -> list[str]:
    if list(value.shape) != expected["shape"]:
        return [f"shape {list(value.shape)}, expected {expected['shape']}"]
    if expected["std"] == 0:
        constant = expected["mean"]
        return [] if np.all(value == np.float32(constant)) else [f"not {constant} throughout"]
    return [*_moments(value, expected), *_bounds(name, value, expected)]


def _moments(value: np.ndarray, expected: dict) -> list[str]:
    """Both are samples, so a difference has twice the variance; the deviation of a deviation is s / sqrt(2 n)."""
    if value.size < _ENOUGH_FOR_MOMENTS:
        return []
    error = expected["std"] / math.sqrt(value.size)
    problems = []
    if abs(value.mean() - expected["mean"]) > _DEVIATIONS * math.sqrt(2) * error:
        problems.append(f"mean {value.mean():.4g}, expected {expected['mean']:.4g}")
    if abs(value.std() - expected["std"]) > _DEVIATIONS * error:
        problems.append(f"deviation {value.std():.4g}, expected {expected['std']:.4g}")
    return problems


def _bounds(name: str, value: np.ndarray, expected: dict) -> list[str]:
    """The laws have bounds: of glorot-uniform kernels, and two deviations of the truncated normal of tables."""
    rows, width = value.shape if value.ndim == 2 else (1, 1)
    limit = 0.02 / math.sqrt(width) if "embedding" in name else math.sqrt(6.0 / (rows + width))
    theirs = max(abs(expected["min"]), abs(expected["max"]))
    if theirs > limit * _ROUNDED:  # Another initializer of the config: its bound is not known here.
        return []
    return [] if np.max(np.abs(value)) <= limit * _ROUNDED else [f"beyond {limit:.4g}, which bounds it there"]
