"""Golden cases as EasyRec would have saved them: TensorFlow 1 checkpoints with plain names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

GOLDEN = Path(__file__).parents[1] / "data" / "easyrec_golden"


def golden_values(case: str, moment: str) -> dict[str, np.ndarray]:
    """Returns the variables of a case at "init" or "step5", with a `global_step` if they have none."""
    values = dict(np.load(GOLDEN / case / f"weights_{moment}.npz"))
    return {"global_step": np.int64(5 if moment == "step5" else 0), **values}


def save(prefix: Path, values: Mapping[str, np.ndarray], partitioned: Mapping[str, int] | None = None) -> str:
    """Saves values; `partitioned` ones as that many slices of one name, as for parameter servers."""
    names, slices, tensors = [], [], []
    for name, value in values.items():
        value = np.asarray(value)
        for begin, part in _parts(value, (partitioned or {}).get(name, 1)):
            names.append(name)
            shape = " ".join(map(str, value.shape))
            rest = "".join(f":0,{size}" for size in value.shape[1:])
            slices.append("" if part is value else f"{shape} {begin},{len(part)}{rest}")
            tensors.append(tf.constant(part))
    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=slices, tensors=tensors)
    return str(prefix)


def write_index(folder: Path, name: str) -> None:
    """Writes the file `checkpoint` that names the newest one, with the path of another machine."""
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "/elsewhere/{name}"\n')


def _parts(value: np.ndarray, number: int) -> list[tuple[int, np.ndarray]]:
    if number == 1:
        return [(0, value)]
    pieces = np.array_split(value, number)
    begins = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    return [(int(begin), piece) for begin, piece in zip(begins, pieces)]
