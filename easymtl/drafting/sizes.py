"""How large a model is, how long it trains, and in what steps: by the number of rows, and by what they hold.

Measured on Census-Income with three seeds and rows kept aside: Adam with a cosine rate, 5 % warm-up and a peak of .004,
and features that are dropped whole for a tenth of the rows, gain .0035 of AUC over a rate that falls by steps from
.001 (docs/guides/start.md).
"""

import math
from dataclasses import dataclass

from easymtl.errors import UserError, did_you_mean

PRESETS = ("small", "strong")
_SAMPLES = 1_000_000
_MOST_EPOCHS, _EPOCHS_OF_IDS, _EPOCHS_OF_HISTORIES = 8, 1, 4
_BATCHES = (
    (0, 64),
    (5_000, 128),
    (20_000, 256),
    (40_000, 512),
    (2_000_000, 1024),
    (10_000_000, 4096),
    (100_000_000, 8192),
)


@dataclass(frozen=True)
class Sizes:
    """What a preset comes to for some rows.

    Attributes:
        num_rows: of the training data.
        width: of the vectors of numbers and of small tables.
        experts: how many experts there are.
        expert_units: widths of the layers of each expert.
        tower_units: widths of the layers of each tower.
        dropout: share of units that is dropped.
        epochs: passes over the rows.
        batch_size: rows of a step.
    """

    num_rows: int
    width: int
    experts: int
    expert_units: tuple[int, ...]
    tower_units: tuple[int, ...]
    dropout: float
    epochs: int
    batch_size: int

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return max(math.ceil(self.num_rows * self.epochs / self.batch_size), 1)

    @property
    def steps_between_checkpoints(self) -> int:
        """Those of an epoch, and of a tenth of the training where there are few epochs."""
        return max(math.ceil(self.steps / max(self.epochs, 10)), 20)


def sizes_of(preset: str, num_rows: int, has_rare_ids: bool = False, has_histories: bool = False) -> Sizes:
    """Returns the sizes for a number of training rows.

    Args:
        preset: `small` or `strong`.
        num_rows: of the training data.
        has_rare_ids: whether there are ids with few rows each, which are learnt by heart in a second pass.
        has_histories: whether histories are read, by which users are learnt by heart in some passes.

    Raises:
        UserError: there is no such preset.
    """
    if preset not in PRESETS:
        raise UserError(f'--preset: "{preset}" is neither small nor strong.{did_you_mean(preset, PRESETS)}')
    is_strong = preset == "strong"
    batch_size = next(size for rows, size in reversed(_BATCHES) if num_rows >= rows)
    epochs = int(min(max(_SAMPLES / max(num_rows, 1), 1), _MOST_EPOCHS))
    if has_rare_ids:
        epochs = min(epochs, _EPOCHS_OF_IDS)
    elif has_histories:
        epochs = min(epochs, _EPOCHS_OF_HISTORIES)
    elif is_strong:
        epochs = min(2 * epochs, 16)
    dropout = 0.5 if epochs >= 6 else (0.2 if epochs >= 3 else 0.0)
    units = ((512, 256), (128, 64)) if is_strong else ((256,), (64,))
    width, experts = (16, 6) if is_strong else (8, 4)
    return Sizes(num_rows, width, experts, units[0], units[1], dropout, epochs, batch_size)
