"""What a report knows of a run: its config, its history, and what its checkpoint does on evaluation data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, load_config, view
from easymtl.data.paths import expand
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.bars import bar, each, pass_bar
from easymtl.reporting.page.elements import Element
from easymtl.reporting.page.network_drawing import network_drawing, relation_drawing
from easymtl.reporting.phases import begin
from easymtl.reporting.run_history import RunHistory, read_run_history
from easymtl.scoring.evaluation import EvaluationResult, evaluate
from easymtl.scoring.file_columns import declare_columns
from easymtl.scoring.importance import Ranking, permutation_importance
from easymtl.scoring.importance_rows import into_blocks, read_rows
from easymtl.scoring.judging import Judge, criteria
from easymtl.scoring.scored_rows import ScoredRows
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker

_REPEATS = 2


@dataclass(frozen=True)
class Wishes:
    """What is looked at.

    Attributes:
        input: evaluation data; None for those of each config.
        checkpoint: `latest`, `best` or a step.
        rows: the first rows of the data that are scored; 0 for all of them.
        importance_rows: the first rows that permutation importance is measured on; 0 for no importance.
        by: columns by whose values metrics are told.
    """

    input: str | None = None
    checkpoint: str = "latest"
    rows: int = 200_000
    importance_rows: int = 5_000
    by: Sequence[str] = ()


@dataclass(frozen=True)
class Feature:
    """A feature of a model.

    Attributes:
        name: as the config calls it.
        kind: its type.
        inputs: the fields that it reads.
        table: rows and width of its table; empty where it has none.
    """

    name: str
    kind: str
    inputs: Sequence[str]
    table: str


@dataclass
class Run:
    """A run.

    Attributes:
        name: by which the page calls it.
        model_dir: its folder.
        config: of the training.
        history: of the training.
        checkpoint: what was scored; None without one.
        paths: the evaluation data.
        evaluation: what it came to; None where it was not made.
        rows: the scores; None likewise.
        features: of the model.
        drawings: of the network and the relations.
        importance: of the features; None where it was not measured.
        num_importance_rows: rows that it was measured on.
        problems: sentences on what is missing, and why.
        sizes: trained numbers, by "dense" and "embedding".
    """

    name: str
    model_dir: str
    config: Config
    history: RunHistory
    checkpoint: Checkpoint | None = None
    paths: str = ""
    evaluation: EvaluationResult | None = None
    rows: ScoredRows | None = None
    features: list[Feature] = field(default_factory=list)
    drawings: list[Element] = field(default_factory=list)
    importance: Ranking | None = None
    problems: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def pipeline(self) -> Pipeline:
        """Returns the config's message."""
        return self.config.pipeline


def read_runs(model_dirs: Sequence[str], wishes: Wishes) -> list[Run]:
    """Returns what is known of the runs of some folders.

    Args:
        model_dirs: folders of trainings.
        wishes: what is looked at.

    Raises:
        UserError: a folder is none of a training, a column of `by` is not there.
    """
    runs = []
    for model_dir, name in zip(model_dirs, run_names(model_dirs)):
        begin("reading", str(model_dir))
        config = load_run_config(model_dir)
        run = Run(name, str(model_dir), config, read_run_history(model_dir))
        _score(run, wishes)
        runs.append(run)
    return runs


def load_run_config(model_dir: str) -> Config:
    """Returns the config that a training has left in its folder, wherever the folder is now.

    Raises:
        UserError: there is none, or it is wrong.
    """
    path = Path(model_dir) / CONFIG_NAME
    if not path.is_file():
        raise UserError(
            f"{model_dir}: there is no {CONFIG_NAME}, which a training writes. Name the model_dir of a training."
        )
    config = load_config(str(path))
    config.pipeline.model_dir = str(model_dir)
    return config


def run_names(model_dirs: Sequence[str]) -> list[str]:
    """Returns the ends of paths, as long as it takes to tell them apart."""
    parts = [Path(one).absolute().parts for one in model_dirs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-length:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{one[-1]} ({place + 1})" for place, one in enumerate(parts)]


def _score(run: Run, wishes: Wishes) -> None:
    """Fills in what a checkpoint and data tell; what cannot be told is a problem of the run."""
    pipeline = run.pipeline
    run.paths = wishes.input or view.eval_input(pipeline)
    try:
        run.checkpoint = find_checkpoint(pipeline, wishes.checkpoint)
        begin("building", f"the model of {run.checkpoint.path}")
        ranker = load_ranker(pipeline, run.checkpoint, begin=begin)
    except UserError as error:
        run.problems.append(f"There is no model to score with: {error}")
        return
    _describe(run, ranker)
    if not run.paths:
        run.problems.append("The config names no evaluation data: name some with --input for curves and segments.")
        return
    try:
        expand(run.paths)
    except UserError as error:
        run.problems.append(f"The evaluation data are not there: {error}")
        return
    scorer = RankerScorer(ranker, tf.float32)
    _evaluate(run, ranker, scorer, wishes)
    if wishes.importance_rows:
        _measure_importance(run, ranker, scorer, wishes)


def _describe(run: Run, ranker: Ranker) -> None:
    relations = relation_drawing(run.pipeline)
    run.drawings = [network_drawing(ranker, run.pipeline), *([relations] if relations is not None else [])]
    tables = ranker.feature_set.tables
    run.sizes = {
        "dense": sum(variable.shape.num_elements() for variable in ranker.dense_variables),
        "embedding": sum(table.rows * table.width for table in tables),
    }
    tables_by_feature = {slot.feature: slot.table for slot in ranker.feature_set.slots}
    for one in view.features_in_groups(run.pipeline):
        name = view.feature_name(one)
        table = tables_by_feature.get(name)
        size = f"{table.rows:,} × {table.width}" if table else ""
        if table and table.ids:
            size += f", {ranker.feature_set.growing.ids[table.ids].num_ids:,} of them taken"
        run.features.append(Feature(name, type_name(one), list(one.input_names), size))


def type_name(feature: Any) -> str:
    """Returns the type of a feature as the config spells it."""
    field_type = feature.DESCRIPTOR.fields_by_name["feature_type"].enum_type
    return field_type.values_by_number[feature.feature_type].name


def _evaluate(run: Run, ranker: Ranker, scorer: RankerScorer, wishes: Wishes) -> None:
    wider = Pipeline()
    wider.CopyFrom(declare_columns(run.pipeline, run.paths, wishes.by, "--by"))
    wider.eval_config.num_examples = wishes.rows
    rows = ScoredRows(ranker.tasks, wishes.by)
    with pass_bar(f"Scoring {run.name}") as tell_progress:
        run.evaluation = evaluate(
            wider, ranker.tasks, scorer, run.paths, collectors=[rows], tell_progress=tell_progress
        )
    run.rows = rows


def _measure_importance(run: Run, ranker: Ranker, scorer: RankerScorer, wishes: Wishes) -> None:
    pipeline = run.pipeline
    try:
        begin("reading", f"rows of {run.paths} to permute")
        rows = read_rows(pipeline, scorer, ranker.tasks, run.paths, wishes.importance_rows)
        judge = Judge(scorer, ranker.tasks, criteria(pipeline, None))
        with bar(None, f"Permuting features of {run.name}", len(run.features), unit="of them") as advance:
            run.importance = permutation_importance(
                ranker.feature_set, into_blocks(rows, 0), judge, "feature", _REPEATS, 0, each(advance)
            )
    except UserError as error:
        run.problems.append(f"Importance of features was not measured: {error}")
