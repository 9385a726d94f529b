"""The golden cases below a folder, each run as its kind asks for."""

import contextlib
import json
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from easymtl.config.problems import ConfigError
from easymtl.data.feed import Feed
from easymtl.features.encoder import to_tensors
from easymtl.protos.optimizer_pb2 import LearningRate
from easymtl.training.inputs import TrainingInput
from easymtl.training.schedules import make_schedule
from tests.parity.comparison import Comparison, Result
from tests.parity.metric_values import run_metrics_case
from tests.parity.runner import NUM_STEPS, GoldenRun, load_golden_config

_RATES = "learning_rates"


def find_cases(root: Path) -> list[str]:
    """Returns the cases below a root, sorted: their folders, and files of learning rates without the ending."""
    found = [path.parent for path in root.rglob("pipeline.config")]
    found += [path.parent for path in root.rglob("predictions.csv") if (path.parent / "metrics.json").exists()]
    found += [path.with_suffix("") for path in root.rglob(f"{_RATES}.json")]
    return sorted({str(path.relative_to(root)) for path in found})


def run_case(root: Path, case: str) -> Result:
    """Runs one case; an exception is a failure of that case alone."""
    folder = (root / case).resolve()
    try:
        return _kind_of(folder)(folder, case)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}"
        return Result(case, "failed", text, [text])


def _kind_of(folder: Path) -> Callable[[Path, str], Result]:
    if folder.name == _RATES:
        return run_rates_case
    if (folder / "predictions.csv").exists():
        return run_metrics_case
    return run_error_case if (folder / "ERROR.json").exists() else run_training_case


def run_training_case(folder: Path, case: str) -> Result:
    """Trains as the case did."""
    comparison = Comparison(folder, case)
    with contextlib.chdir(folder):
        try:
            config = load_golden_config()
        except ConfigError as error:
            return Result(case, "later" if is_later(error) else "failed", reasons(error))
        GoldenRun(config, comparison).run()
    return comparison.result()


def run_error_case(folder: Path, case: str) -> Result:
    """Trains where EasyRec crashes: every loss is to be finite, or the config refused in so many words."""
    crash = json.loads((folder / "ERROR.json").read_text())["error"]
    with contextlib.chdir(folder):
        try:
            config = load_golden_config()
        except ConfigError as error:
            text = f"{reasons(error)} (there: {crash})"
            return Result(case, "later" if is_later(error) else "differs", text)
        run = GoldenRun(config, Comparison(folder, case))
        with TrainingInput(run.pipeline, run.ranker, None).feed as feed:
            losses = run.train([to_tensors(rows) for rows in first_batches(feed)])
    finite = all(np.isfinite(value) for step in losses for value in step.values())
    text = f"trains here; there: {crash}"
    return Result(case, "differs", text) if finite else Result(case, "failed", text, ["a loss is not finite"])


def first_batches(feed: Feed) -> list:
    """Returns the rows of the first steps."""
    return [next(feed).rows for _ in range(NUM_STEPS)]


def run_rates_case(path: Path, case: str) -> Result:
    """Compares learning rates of schedules, step by step."""
    comparison = Comparison(path.parent, case)
    for name, entry in json.loads(path.with_suffix(".json").read_text()).items():
        schedule = make_schedule(text_format.Parse(entry["config"], LearningRate()))
        expected = entry["lr"]
        comparison.compare("rates", f"{_RATES}:{name}", [schedule(step) for step in range(len(expected))], expected)
    return comparison.result()


def is_later(error: ConfigError) -> bool:
    """Returns whether a config is refused only for what is still to be supported."""
    return all("not supported yet" in problem.text for problem in error.problems)


def reasons(error: ConfigError) -> str:
    """Returns why a config is refused."""
    return "; ".join(dict.fromkeys(problem.text for problem in error.problems))
