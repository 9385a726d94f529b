"""Seven days of rows whose clicks drift, and a config that follows them."""

from pathlib import Path

import numpy as np

from easymtl.config import Config, load_config
from tests.training.small_runs import CONFIG

DAYS = [f"dt=2026-01-{day:02}" for day in range(1, 8)]
FOLLOWED = (
    "train_config.num_steps=0",
    "data_config.num_epochs=1",
    "train_config.save_checkpoints_steps=3",
    "export_config.exporter_type=none",
    'eval_input_path=""',
)
OFFSET = 0.08
"""How much more is clicked each day."""


def write_day(folder: Path, day: int, rows: int = 130, marked: bool = True) -> Path:
    """Writes a day, counted from 0, and returns its folder."""
    part = folder / "logs" / DAYS[day]
    part.mkdir(parents=True)
    write_rows(part / "part-0.csv", rows, day)
    if marked:
        (part / "_SUCCESS").touch()
    return part


def write_rows(path: Path, number: int, day: int) -> None:
    random = np.random.default_rng(day)
    lines = []
    for _ in range(number):
        item = random.integers(30)
        click = int(random.random() < (0.4 if item % 3 else 0.1) + OFFSET * day)
        tags = "|".join(f"t{tag}" for tag in random.integers(0, 12, random.integers(0, 4)))
        lines.append(f"{click},{click * int(random.random() < 0.5)},i{item},{tags},{random.normal():.4f}")
    path.write_text("\n".join(lines) + "\n")


def days_config(folder: Path, *overrides: str, model: str = "model") -> Config:
    """Returns the config of a folder with `logs`."""
    path = folder / f"{model}.config"
    text = CONFIG.format(folder=folder).replace(f"{folder}/train.csv", f"{folder}/logs")
    path.write_text(text.replace(f"{folder}/model", f"{folder}/{model}"))
    return load_config(str(path), [*FOLLOWED, *overrides])
