"""The whole message of a draft: paths, training, data, features, and what is exported."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from easymtl.drafting.drafted import field_of
from easymtl.drafting.labels import Label
from easymtl.drafting.margin import standard_error
from easymtl.drafting.plan import Plan
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import Roles
from easymtl.drafting.sizes import Sizes
from easymtl.drafting.table import Table
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_RATE, _WARMUP = 0.004, 0.05
_FEWEST_EPOCHS_TO_STOP = 4
# To compare gradients takes about as long as a step, and some tenths of a second once: 2 to 3 % of a training.
_STEPS_BETWEEN_COMPARISONS, _FEWEST_COMPARISONS = 50, 10
_WIDTH = 108


@dataclass(frozen=True)
class Locations:
    """Where things are.

    Attributes:
        train: paths of the training rows; empty for a table in memory.
        evaluation: of the evaluation rows; empty where there are none.
        model_dir: where the model will be.
        has_header: whether CSV files begin with the names of the columns.
        num_judged: how many evaluation rows there are, None without any: those of a table in memory have no path.
    """

    train: str
    evaluation: str
    model_dir: str
    has_header: bool = False
    num_judged: int | None = None

    @property
    def is_judged(self) -> bool:
        """Whether there are evaluation rows."""
        return self.num_judged is not None


def draft_pipeline(
    profile: Profile, places: Locations, plan: Plan, model: ModelConfig, shares_layers: bool
) -> tuple[Pipeline, dict[str, str]]:
    """Returns the message, and comments on its fields by their paths.

    Args:
        profile: of the data.
        places: where they are, and where the model will be.
        plan: what is read and learnt.
        model: what learns it.
        shares_layers: whether its tasks train dense weights together.
    """
    pipeline = Pipeline(model_dir=places.model_dir, model_config=model)
    if places.train:
        pipeline.train_input_path = places.train
    if places.evaluation:
        pipeline.eval_input_path = places.evaluation
    comments = _set_training(pipeline, plan.sizes, places.is_judged)
    if shares_layers and len(plan.labels) > 1:
        comments |= _set_comparisons(pipeline, plan.sizes)
    comments |= _set_data(pipeline.data_config, profile, places, plan)
    place = 0
    for draft in plan.features.drafts.values():
        comments[f"feature_config.features[{place}]"] = draft.reason
        pipeline.feature_config.features.extend(draft.features)
        place += len(draft.features)
    if places.num_judged is not None:
        comments |= _set_export(pipeline, plan, profile, places.num_judged)
    return pipeline, comments


def _set_training(pipeline: Pipeline, sizes: Sizes, is_judged: bool) -> dict[str, str]:
    train = pipeline.train_config
    schedule = train.optimizer_config.add().adam_optimizer.learning_rate.cosine_decay_learning_rate
    schedule.learning_rate_base = _RATE
    schedule.warmup_learning_rate = 0
    # Of two rows there is one step, which cannot be a warm-up.
    schedule.warmup_steps = min(max(round(_WARMUP * sizes.steps), 1), sizes.steps - 1)
    # The last, shorter batch of each pass joins the first of the next one.
    schedule.total_steps = sizes.steps
    train.save_checkpoints_steps = min(sizes.steps_between_checkpoints, max(sizes.steps, 1))
    train.log_step_count_steps = max(sizes.steps // 50, 1)
    train.save_summary_steps = max(sizes.steps // 100, 1)
    rows = (
        f"{sizes.num_rows:,} rows in batches of {sizes.batch_size} are {sizes.num_rows / sizes.batch_size:,.1f} steps"
    )
    times = f", {sizes.epochs} times over {sizes.steps:,}" if sizes.epochs > 1 else ""
    what = "each checkpoint is evaluated" if is_judged else "each is a point to go on from"
    return {
        "train_config.optimizer_config[0].adam_optimizer.learning_rate.cosine_decay_learning_rate": f"{rows}{times}; "
        "the first 5 % of them warm up",
        "train_config.save_checkpoints_steps": what,
    }


def _set_comparisons(pipeline: Pipeline, sizes: Sizes) -> dict[str, str]:
    """Has the gradients of the tasks be compared, where that shows something and costs little."""
    every = max(sizes.steps // 50, _STEPS_BETWEEN_COMPARISONS)
    if sizes.steps < _FEWEST_COMPARISONS * every:
        return {}
    pipeline.train_config.log_gradient_conflict_every = every
    why = "how far the tasks are at odds, for easymtl report: no weight depends on it (docs/guides/balancing-tasks.md)"
    return {"train_config.log_gradient_conflict_every": why}


def _set_data(data: DatasetConfig, profile: Profile, places: Locations, plan: Plan) -> dict[str, str]:
    table = profile.table
    data.input_type = table.data_config.input_type
    if table.is_csv and table.data_config.HasField("separator"):
        data.separator = table.data_config.separator
    if table.is_csv and places.has_header:
        data.with_header = True
    data.batch_size, data.num_epochs = plan.sizes.batch_size, plan.sizes.epochs
    data.label_fields.extend(label.name for label in plan.labels)
    if plan.roles.sample_weight:
        data.sample_weight = plan.roles.sample_weight
    data.input_fields.extend(_fields(table, places, plan))
    for label in plan.labels:
        for text, number in label.numbers.items():
            data.label_values.add(label_name=label.name, number=number, texts=[text])
    return {"data_config.num_epochs": _why_epochs(plan.sizes)}


def _fields(table: Table, places: Locations, plan: Plan) -> list[DatasetConfig.Field]:
    """Returns how each column is read that something reads; of CSV without a header all columns, in their order."""
    fields = {label.name: field_of(label.name, label.input_type) for label in plan.labels}
    fields |= {name: draft.field for name, draft in plan.features.drafts.items()}
    if plan.roles.sample_weight:
        fields[plan.roles.sample_weight] = field_of(plan.roles.sample_weight, "DOUBLE")
    fields |= {name: field_of(name, "STRING") for name in plan.groups if name not in fields}
    if table.is_csv and not places.has_header:
        fields = {name: fields.get(name, field_of(name, "STRING")) for name in table.types}
    return list(fields.values())


def _why_epochs(sizes: Sizes) -> str:
    if sizes.epochs == 1:
        return "one pass is enough for so many rows"
    return f"{sizes.epochs} passes over {sizes.num_rows:,} rows"


def _set_export(pipeline: Pipeline, plan: Plan, profile: Profile, num_judged: int) -> dict[str, str]:
    export, labels, sizes = pipeline.export_config, plan.labels, plan.sizes
    stops_early = sizes.epochs >= _FEWEST_EPOCHS_TO_STOP
    export.exporter_type = "best" if stops_early else "final"
    kinds = {label.kind for label in labels}
    if "event" in kinds:
        export.best_exporter_metric = "auc"
    elif "classes" in kinds:
        export.best_exporter_metric = "accuracy"
    else:
        export.best_exporter_metric = "root_mean_squared_error"
    if stops_early:
        why = "a training of several passes may end behind its best checkpoint"
    else:
        why = "the learning rate falls to 0 at the last step; what is best of few evaluations is so by chance"
    comments = {
        "export_config.exporter_type": why,
        "export_config.best_exporter_metric": "the mean over the tasks that have it",
    }
    if stops_early:
        # Of a draft that is not edited the rate falls to 0 at the last step, so that its weights are the surer choice.
        export.best_margin = float(f"{standard_error(export.best_exporter_metric, labels, profile, num_judged):.2g}")
        comments["export_config.best_margin"] = (
            f"a standard error of that on {num_judged:,} rows: what is better by less is so by chance, and the last "
            "checkpoint, at which the learning rate has fallen to 0, is exported; nor does it stop the training early"
        )
        export.enable_early_stop = True
        export.max_check_steps = max(round(0.6 * sizes.steps), sizes.steps_between_checkpoints + 1)
        comments["export_config.max_check_steps"] = "steps without a better checkpoint, more than half of the training"
    return comments


def header(
    profile: Profile, labels: Sequence[Label], sizes: Sizes, places: Locations, notes: Sequence[str], roles: Roles
) -> str:
    """Returns the comment that the file begins with: what it was drafted from, what was left out, what is unsure."""
    names = ", ".join(label.name for label in labels)
    lines = [
        f"Drafted by easymtl init from {profile.num_rows:,} rows of {len(profile.columns)} columns, to learn {names}."
    ]
    if roles.left_out:
        lines.append("Left out:")
        lines += [f"  {name or 'a column without a name'}: {reason}." for name, reason in roles.left_out.items()]
    if notes:
        lines.append("Please look at:")
        lines += [f"  {note}" for note in notes]
    return "\n".join(part for line in lines for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    indent = "  " if line.startswith("  ") else ""
    return textwrap.wrap(" ".join(line.split()), _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
