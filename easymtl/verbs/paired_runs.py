"""The trainings that a comparison is made of: one for each seed of each side, each in a process of its own."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from easymtl.checkpoints.publishing import write_text
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, load_config
from easymtl.data.paths import split_commas
from easymtl.errors import UserError
from easymtl.tuning.trainings import Runner, Training

_STATE = "compare.json"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """A training of one side.

    Attributes:
        title: what it is called on the terminal: `B, seed 2`.
        source: the file of the config.
        overrides: with model_dir and seed.
        model_dir: where it is.
        is_given: whether it was trained by someone else.
    """

    title: str
    source: str
    overrides: tuple[str, ...]
    model_dir: Path
    is_given: bool = False

    def config(self) -> Config:
        """Returns the config, which is checked.

        Raises:
            UserError: it is wrong.
        """
        return load_config(self.source, self.overrides)


def runs_of(side: str, source: str, seeds: Sequence[int], overrides: Sequence[str], folder: Path) -> list[Run]:
    """Returns the runs of a side.

    Args:
        side: `A` or `B`.
        source: a config, or model_dirs that were trained, separated by commas.
        seeds: of the trainings of a config.
        overrides: `path=value` each.
        folder: where trainings are kept.

    Raises:
        UserError: there is no such config or model_dir.
    """
    paths = [Path(part) for part in split_commas(source)]
    if not any(path.is_dir() for path in paths):
        return [_to_train(side, source, seed, overrides, folder) for seed in seeds]
    runs = []
    for path in paths:
        if not (path / CONFIG_NAME).is_file():
            raise UserError(
                f"{side}: {path} is no model_dir: there is no {CONFIG_NAME} in it. Name a config, or model_dirs that "
                "were trained, separated by commas."
            )
        given = (*overrides, f"model_dir={json.dumps(str(path))}")
        runs.append(Run(f"{side}, {path}", str(path / CONFIG_NAME), given, path, is_given=True))
    return runs


def _to_train(side: str, source: str, seed: int, overrides: Sequence[str], folder: Path) -> Run:
    model_dir = folder / f"{side.lower()}_{Path(source).stem}" / f"seed_{seed}"
    own = (f"model_dir={json.dumps(str(model_dir))}", f"train_config.seed={seed}", 'export_config.exporter_type="none"')
    return Run(f"{side}, seed {seed}", source, (*overrides, *own), model_dir)


def train(run: Run, runner: Runner, tell: Tell) -> bool:
    """Trains a run to its end, from where it stopped; one that has ended, or was given, is left as it is.

    Returns:
        Whether it has ended; one that was told to stop has not.

    Raises:
        UserError: the folder holds a training of another config, or the training failed.
    """
    if run.is_given:
        return True
    state = run.model_dir.with_name(f"{run.model_dir.name}.{_STATE}")
    digest = _digest(run.config())
    # Whoever has removed the folder need not know of the file beside it.
    known = _read(state) if run.model_dir.is_dir() else {}
    if known and known.get("config") != digest:
        raise UserError(
            f"{run.model_dir}: was trained with another config, data or --set. Remove it, or name another --work_dir."
        )
    if known.get("is_done"):
        tell(f"{run.title}: trained already, {run.model_dir}")
        return True
    write_text(state, json.dumps({"config": digest, "is_done": False}))
    tell(f"{run.title}: training, {run.model_dir} ...")
    begin = time.monotonic()
    training = Training(Path(run.source), run.overrides, run.model_dir, {"trained as": run.title})
    outcome = runner(training, lambda evaluation: True, lambda step, share: None)
    if outcome.error:
        raise UserError(f"{run.title}: {outcome.error}")
    if outcome.is_stopped:
        return False
    write_text(state, json.dumps({"config": digest, "is_done": True}))
    tell(f"{run.title}: trained in {time.monotonic() - begin:.0f} s")
    return True


def _digest(config: Config) -> str:
    return hashlib.sha256(text_format.MessageToString(config.pipeline).encode()).hexdigest()


def _read(path: Path) -> dict:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
