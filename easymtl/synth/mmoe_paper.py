"""`mmoe_paper`: regression tasks of a chosen relatedness, as in section 3.2 of the paper on MMoE."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import BLOCK_ROWS, TRUTH_PREFIX, block_random

NUM_INPUTS = 100
NUM_WAVES = 4
NOISE = 0.1
COSINES = {"y2_p50": 0.5, "y2_p90": 0.9, "y2_p100": 1.0}
"""The second task's label at each cosine between its weights and those of the first."""


class MMoEPaper:
    """Two tasks of the same form over 100 normal inputs; the second one at three degrees of relatedness.

    Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts (Ma et al., 2018), section
    3.2: y_k = w_k.x + sum_i sin(alpha_i w_k.x + beta_i) + N(0, 0.1^2) with |w_k| = 1, cos(w_1, w_2) = p, and alpha
    and beta shared by the tasks. The paper leaves their distribution open; here alpha, beta ~ N(0, 1).

    One file serves every p: `y1` is the first task, `y2_p50`, `y2_p90` and `y2_p100` are the second at p = .5, .9
    and 1, of the same x, w_1, alpha and beta, so that comparisons between values of p are paired as well.
    """

    name = "mmoe_paper"
    format = "parquet"

    def blocks(self, seed: int) -> "MMoEPaperBlocks":
        """Returns the rows of a seed; another seed has other weights and waves."""
        return MMoEPaperBlocks(seed)


@dataclass(frozen=True)
class Waves:
    """What the tasks of a seed share, and the direction of each.

    Attributes:
        alpha: frequencies, `[waves]`.
        beta: phases, `[waves]`.
        directions: label -> w, a unit vector `[inputs]`.
    """

    alpha: np.ndarray
    beta: np.ndarray
    directions: dict[str, np.ndarray]

    @classmethod
    def draw(cls, random: np.random.Generator) -> "Waves":
        """Draws them: w_1 = u_1 and w_2 = p u_1 + sqrt(1 - p^2) u_2 with u_1, u_2 orthonormal."""
        basis, _ = np.linalg.qr(random.standard_normal([NUM_INPUTS, 2]))
        first, other = basis.T
        directions = {"y1": first} | {name: p * first + np.sqrt(1 - p * p) * other for name, p in COSINES.items()}
        return cls(random.standard_normal(NUM_WAVES), random.standard_normal(NUM_WAVES), directions)

    def mean(self, label: str, x: np.ndarray) -> np.ndarray:
        """Returns the label without its noise, of inputs `[rows, inputs]`: `[rows]`."""
        along = x @ self.directions[label]
        return along + np.sin(along[:, None] * self.alpha + self.beta).sum(axis=1)


class MMoEPaperBlocks:
    """Blocks of 65,536 rows; block i of a part is a pure function of (seed, part, i)."""

    block_rows = BLOCK_ROWS

    def __init__(self, seed: int):
        self._seed = seed
        self.waves = Waves.draw(block_random(MMoEPaper.name, seed, "model", 0))

    def block(self, part: str, index: int) -> pa.RecordBatch:
        """Returns block `index` of the part `train` or `eval`: labels, x1 to x100, then `true_<label>`."""
        random = block_random(MMoEPaper.name, self._seed, part, index)
        x = random.standard_normal([BLOCK_ROWS, NUM_INPUTS], dtype=np.float32)
        truths = {label: self.waves.mean(label, x) for label in self.waves.directions}
        columns = {label: truth + NOISE * random.standard_normal(BLOCK_ROWS) for label, truth in truths.items()}
        columns |= {f"x{place}": column for place, column in enumerate(x.T, start=1)}
        columns |= {TRUTH_PREFIX + label: truth for label, truth in truths.items()}
        return pa.RecordBatch.from_pydict(
            {name: np.ascontiguousarray(column, np.float32) for name, column in columns.items()}
        )
