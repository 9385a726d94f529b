"""Exports of sample configs for what measures or loads them, made in a process of their own.

The memory and the graphs of training are not to be those of a server.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from benchmarks.sample_data import DataMissing, data_overrides, sample_path
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config, view
from easymtl.protos.pipeline_pb2 import Pipeline

TRAINING_STEPS = 20
_ROWS, _EVAL_ROWS = 20_000, 5_000
# What a request knows of the user and of itself; all else is the item's.
_OF_USER = ("user_", "watched_", "liked_", "hour", "network", "device", "cms_", "final_gender", "age", "pvalue_level")
_OF_USER += ("shopping_level", "occupation", "new_user_", "tag_", "sex", "race", "education", "marital_stat")


@dataclass(frozen=True)
class SampleExport:
    """An export and rows for it.

    Attributes:
        path: its folder.
        sent: the inputs of `serving_default`: rows of the evaluation data, behind them some with a value missing, some
            that are sent as examples, and some that have all the user of the first.
        examples: serialized.
        num_rows: rows of the data.
        num_users: rows at the end with one user.
    """

    path: Path
    sent: dict[str, pa.Array]
    examples: pa.Array
    num_rows: int
    num_users: int


def sample_exports(
    names: Sequence[str], folder: Path, further: Sequence[str] = ()
) -> Iterator[tuple[str, SampleExport]]:
    """Yields name and export of each sample config; one whose data is not there is left out, in so many words.

    Args:
        names: of the configs.
        folder: where they are made.
        further: overrides of the configs.
    """
    for name in names:
        try:
            yield name, export_apart(name, folder, further)
        except DataMissing as error:
            print(f"{name}: left out: {error}", flush=True)


def export_apart(name: str, folder: Path, further: Sequence[str] = ()) -> SampleExport:
    """Trains a sample config for some steps and exports it, in a process of its own.

    Args:
        name: of the sample config.
        folder: for all that is made.
        further: overrides of the config.

    Raises:
        DataMissing: the data is not there and cannot be made up.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_export, (name, folder, list(further)))


def user_fields(pipeline: Pipeline) -> list[str]:
    """Returns the fields of the user and of the request that features read."""
    read = {field: None for feature in view.features_in_groups(pipeline) for field in feature.input_names}
    return [field for field in read if field.startswith(_OF_USER)]


def _export(name: str, folder: Path, further: Sequence[str]) -> SampleExport:
    path = str(sample_path(name))
    overrides = [
        *data_overrides(name, _ROWS, _EVAL_ROWS, folder / "data"),
        f"model_dir={folder}/{name}",
        f"train_config.num_steps={TRAINING_STEPS}",
        "export_config.exporter_type=none",
    ]
    plain = load_config(path, overrides).pipeline
    if plain.export_config.multi_placeholder and not plain.export_config.user_fields:
        overrides.append(f"export_config.user_fields=[{', '.join(user_fields(plain))}]")
    config = load_config(path, [*overrides, *further])
    start_tensorflow()
    from easymtl.checkpoints.restore import find_checkpoint
    from easymtl.features.encoder import Encoder
    from easymtl.serving.export import export
    from easymtl.serving.proof_of_signatures import with_further
    from easymtl.serving.proof_rows import proof_rows
    from easymtl.serving.saved_model import ServingModel
    from easymtl.training.trainer import Trainer

    trainer = Trainer(config, lambda event: None)
    trainer.run()
    done = export(config.pipeline, find_checkpoint(config.pipeline), folder / name / "export")
    model = ServingModel(config.pipeline, trainer.ranker)
    rows = proof_rows(config.pipeline, model.fields, Encoder(trainer.ranker.feature_set, as_served=True))
    assert rows is not None
    rows = with_further(rows, config.pipeline, model.form, done.signatures)
    return SampleExport(done.path, rows.sent, rows.examples, rows.num_rows, rows.num_users)
