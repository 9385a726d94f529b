"""What to do after a command: its last lines."""

import json
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.cli.training_commands import OF_FOLLOW
from easymtl.errors import UserError

if TYPE_CHECKING:
    from easymtl.protos.pipeline_pb2 import Pipeline

Step = tuple[list[str], str]
"""The words of a command, and what it is good for."""

_PIPE_WIDTH = 10_000


def next_steps(options: Namespace, width: int = _PIPE_WIDTH) -> list[str]:
    """Returns the lines behind a command that has ended well; empty where nothing follows.

    Args:
        options: of the command.
        width: of the terminal; commands that are longer go on on the next line, so that a shell takes them.
    """
    of_verb = _STEPS.get(options.verb)
    lines = [line for step in of_verb(options) for line in command_lines(*step, width)] if of_verb else []
    return ["Next:", *lines] if lines else []


def command_lines(words: list[str], purpose: str, width: int) -> list[str]:
    """Returns a command as lines of a width, which a shell takes as one, and its purpose if there is room for it."""
    quoted = [word if word in _PLACES else shlex.quote(word) for word in words]
    whole = "  " + " ".join(quoted)
    if len(whole) + len(purpose) + 4 <= width:
        return [f"{whole}  # {purpose}"]
    if len(whole) <= width:
        return [whole]
    lines = [f"  {quoted[0]}"]
    for part in _with_values(quoted[1:]):
        if len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" {part}"
        else:
            lines[-1] += " \\"
            lines.append(f"      {part}")
    return lines


def _with_values(words: list[str]) -> Iterator[str]:
    """Yields words, flags together with their values."""
    left = list(words)
    while left:
        word = left.pop(0)
        yield f"{word} {left.pop(0)}" if word.startswith("--") and left and not left[0].startswith("--") else word


_PLACES = ("ROWS", "MODEL_DIR")
"""Words that stand for what the user knows."""


def _config(options: Namespace) -> list[str]:
    """Returns the words for the config, with all that was said of it."""
    words = [options.pipeline_config]
    for text in options.overrides:
        name, _, value = text.partition("=")
        if name == "model_dir" and value[:1] == value[-1:] == '"' and "\\" not in value:
            words += ["--model_dir", value[1:-1]]
        else:
            words += ["--set", text]
    if getattr(options, "tasks", None) is not None:
        words += ["--tasks", ",".join(options.tasks)]
    return words


def _pipeline(options: Namespace) -> "Pipeline":
    from easymtl.config import load_config
    from easymtl.protos.pipeline_pb2 import Pipeline

    try:
        return load_config(options.pipeline_config, options.overrides, getattr(options, "tasks", None)).pipeline
    except UserError:
        # It was right a moment ago, and somebody is writing it.
        return Pipeline()


def _model_dir(options: Namespace) -> str:
    return _pipeline(options).model_dir


def _chosen(options: Namespace) -> list[str]:
    """Returns the words for the checkpoint that a command has looked at, where it is not the newest one."""
    choice = getattr(options, "checkpoint", None)
    return [] if choice in (None, "latest") else ["--checkpoint", choice]


def _exported(pipeline: "Pipeline") -> list[str]:
    """Returns the words for the checkpoint that a training exports: the best one, where that is not the newest."""
    if pipeline.export_config.exporter_type != "best":
        return []
    from easymtl.checkpoints.folder import CheckpointFolder
    from easymtl.training.exported import exported_step

    try:
        latest = CheckpointFolder(pipeline.model_dir).latest()
        step = exported_step(pipeline, latest.state()) if latest else None
    except UserError:
        return []
    is_newest = latest is None or step in (None, latest.step)
    return [] if is_newest else ["--checkpoint", "best"]


def _export(options: Namespace) -> Step:
    return ["easymtl", "export", *_config(options), *_chosen(options)], "a SavedModel, proved to score alike"


def _after_check(options: Namespace) -> Iterator[Step]:
    yield ["easymtl", "train", *_config(options)], "train it"


def _after_plan(options: Namespace) -> Iterator[Step]:
    from easymtl.peers.cluster import MOST_WORKERS_OF_A_HOST

    train = ["--", "train", *_config(options)]
    if options.workers > MOST_WORKERS_OF_A_HOST:
        yield ["easymtl", "launch", "--cluster", "slurm", *train], "in each task of a job; or --cluster kubernetes"
    elif options.workers > 1:
        yield ["easymtl", "launch", "--workers", str(options.workers), *train], "train it so, on one host"
    else:
        yield ["easymtl", "train", *_config(options)], "train it"


def _after_importance(options: Namespace) -> Iterator[Step]:
    if options.by_row is None:
        words = ["easymtl", "importance", *_config(options), *_chosen(options), "--by_row", "10"]
        yield words, "what moved the scores of single rows"
    yield ["easymtl", "report", _model_dir(options), *_chosen(options)], "beside curves and segments on one page"


def _after_verify(options: Namespace) -> Iterator[Step]:
    yield ["easymtl", "serve", options.export], "answer requests, with a page to try it"


def _after_doctor(options: Namespace) -> Iterator[Step]:
    yield ["easymtl", "init", "ROWS", "--labels", "A,B"], "a config for rows of your own"
    yield ["easymtl", "synth", "livestream"], "rows for the sample configs"


def _after_init(options: Namespace) -> Iterator[Step]:
    yield ["easymtl", "check", options.out], "whether it fits the data"
    yield ["easymtl", "train", options.out], "train it"


def _after_compare(options: Namespace) -> Iterator[Step]:
    from easymtl.verbs.paired_runs import runs_of

    folder = Path(options.work_dir)
    pair = (
        runs_of(side, source, [1], options.overrides, folder) for side, source in (("A", options.a), ("B", options.b))
    )
    yield ["easymtl", "report", *(str(runs[0].model_dir) for runs in pair)], "both side by side on one page"


def _after_report(options: Namespace) -> Iterator[Step]:
    yield ["python", "-m", "webbrowser", "-t", Path(options.out).absolute().as_uri()], "look at it"


def _after_train(options: Namespace) -> Iterator[Step]:
    config, pipeline = _config(options), _pipeline(options)
    model_dir, which = pipeline.model_dir, _exported(pipeline)
    yield ["easymtl", "eval", *config, *which], "its metrics; --input names other data"
    if model_dir:
        yield ["easymtl", "report", model_dir, *which], "curves, plots and segments on one page"
    folder = next(filter(_has_exports, (f"{model_dir}/export/{kind}" for kind in _EXPORTS)), "")
    if folder:
        yield ["easymtl", "serve", folder], "answer requests, with a page to try it"
    else:
        yield _export(options)
    yield ["easymtl", "predict", *config, *which, "--input", "ROWS", "--output", "scores.parquet"], "score rows"


def _after_follow(options: Namespace) -> Iterator[Step]:
    config = _config(options)
    model_dir = _pipeline(options).model_dir
    wanted = {name: value for name, default in OF_FOLLOW.items() if (value := getattr(options, name)) != default}
    words = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    yield ["easymtl", "follow", *config, "--every", "1h", *words], "wait for further parts"
    if _has_exports(f"{model_dir}/export/follow"):
        yield ["easymtl", "serve", f"{model_dir}/export/follow"], "answer requests by the newest part's model"
    yield ["easymtl", "board", model_dir], "metrics by part, in the run parts"


_EXPORTS = ("final", "best", "latest")
"""Folders of exports, by what `exporter_type` asks for."""


def _has_exports(folder: str) -> bool:
    return bool(glob(f"{glob_name(folder)}/[0-9]*"))


def _after_tune(options: Namespace) -> Iterator[Step]:
    from easymtl.reporting.study_results import DIFF_NAME, WINNER_NAME

    study = Path(options.study)
    diff = study / DIFF_NAME
    if diff.is_file() and diff.stat().st_size:
        yield ["easymtl", "train", str(study / WINNER_NAME), "--model_dir", "MODEL_DIR"], "train the winner"
    yield ["easymtl", "report", str(study)], "the search on one page"


def _after_eval(options: Namespace) -> Iterator[Step]:
    if options.errors:
        written = options.errors_output or f"{_model_dir(options)}/eval_errors.parquet"
        yield ["python", "-c", _first_rows(written)], "the first of the rows it is most wrong on"
    if not options.saved_model:
        yield ["easymtl", "importance", *_config(options), *_chosen(options)], "which features it needs"
        yield _export(options)


def _after_export(options: Namespace) -> Iterator[Step]:
    from easymtl.config import view

    pipeline = _pipeline(options)
    model_dir = pipeline.model_dir
    folder = options.export_dir or (f"{model_dir}/export/final" if model_dir else "")
    if folder:
        yield ["easymtl", "serve", folder], "answer requests, with a page to try it"
        yield (
            ["easymtl", "verify", folder, *([] if view.eval_input(pipeline) else ["--input", "ROWS"])],
            "ask it in every way clients do",
        )


def _after_predict(options: Namespace) -> Iterator[Step]:
    from easymtl.scoring.scores_file import scores_file

    path = str(scores_file(options.output))
    yield ["python", "-c", _first_rows(path)], "its first rows"


def _first_rows(path: str) -> str:
    # In double quotes, which a shell leaves alone within its single ones.
    return f"import pyarrow.parquet as pq; print(pq.read_table({json.dumps(path)}).slice(0, 3).to_pylist())"


def _after_synth(options: Namespace) -> Iterator[Step]:
    if options.out is not None:
        return
    for config in sorted(glob(f"samples/configs/*_on_{glob_name(options.name)}.config"))[:2]:
        yield ["easymtl", "train", config], "a sample config that reads it"


def glob_name(name: str) -> str:
    """Returns a name as a pattern of files that means it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _after_import(options: Namespace) -> Iterator[Step]:
    yield ["easymtl", "eval", *_config(options)], "whether it scores as it did"
    yield ["easymtl", "train", *_config(options)], "train on"


def _after_convert(options: Namespace) -> Iterator[Step]:
    if options.out:
        yield ["easymtl", "check", options.out], "whether it fits the data"


_STEPS: dict[str, Callable[[Namespace], Iterator[Step]]] = {
    "init": _after_init,
    "check": _after_check,
    "plan": _after_plan,
    "train": _after_train,
    "follow": _after_follow,
    "tune": _after_tune,
    "eval": _after_eval,
    "export": _after_export,
    "predict": _after_predict,
    "importance": _after_importance,
    "verify": _after_verify,
    "report": _after_report,
    "compare": _after_compare,
    "synth": _after_synth,
    "import-checkpoint": _after_import,
    "convert": _after_convert,
    "doctor": _after_doctor,
}
