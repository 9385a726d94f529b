"""What ways are held against: the checkpoint that an export was made from, else its own `serving_default`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.expected import expected_outputs
from easymtl.serving.form_of_export import describe
from easymtl.serving.reload import Arrays
from easymtl.serving.request_form import RequestForm
from easymtl.serving.request_rows import as_sent
from easymtl.serving.signatures import SIGNATURE
from easymtl.tasks.final_scores import FinalScores
from easymtl.tasks.ranker import Ranker
from easymtl.ways.open_export import OpenExport
from easymtl.ways.reading import Batch


@dataclass(frozen=True)
class Baseline:
    """Scores that are taken to be right.

    Attributes:
        told: what it is, for a person.
        export: the export.
        form: of its requests.
        pipeline: the config.
        ranker: the checkpoint's model; None where the export itself is asked.
    """

    told: str
    export: OpenExport
    form: RequestForm
    pipeline: Pipeline
    ranker: Ranker | None = None

    @property
    def encode(self) -> Encoder | None:
        """Returns what finds rows that cannot be used."""
        return Encoder(self.ranker.feature_set, as_served=True) if self.ranker else None

    def scores(self, batch: Batch) -> Arrays:
        """Returns the scores of rows by output.

        Raises:
            UserError: the export refuses them.
        """
        if self.ranker and batch.read.num_rows:
            return expected_outputs(self.pipeline, self.ranker, batch.read)[0]
        return self.export.scores(as_sent(self.form, dict(zip(batch.raw.schema.names, batch.raw.columns))))

    def derived(self, scores: Any) -> dict[str, Any]:
        """Returns the outputs that are formulas of others; none where the others are not there."""
        try:
            return FinalScores(self.pipeline)(scores)
        except KeyError:
            return {}


def choose_baseline(
    export: OpenExport, form: RequestForm, pipeline: Pipeline, choice: str | None, is_given: bool
) -> Baseline:
    """Returns what the ways are held against.

    Args:
        export: the export.
        form: of its requests.
        pipeline: the config.
        choice: of a checkpoint, as `find_checkpoint` takes it; None is the one that the export was made from.
        is_given: whether the config is the user's, who vouches for it, and not what the export remembers.

    Raises:
        UserError: there is no such checkpoint, or it is of another model.
    """
    if choice is not None:
        checkpoint = find_checkpoint(pipeline, choice)
        return Baseline(_told(checkpoint), export, form, pipeline, load_ranker(pipeline, checkpoint))
    try:
        checkpoint = _origin(export.folder, pipeline, is_given)
        return Baseline(_told(checkpoint), export, form, pipeline, load_ranker(pipeline, checkpoint))
    except (UserError, OSError) as error:
        told = f"{SIGNATURE} of the export itself, in TensorFlow. Its checkpoint is not used: {error}"
        return Baseline(told, export, form, pipeline)


def _told(checkpoint: Checkpoint) -> str:
    return f"checkpoint {checkpoint.path}, step {checkpoint.step:,}, in float32"


def _origin(folder: Path, pipeline: Pipeline, is_given: bool) -> Checkpoint:
    """Returns the checkpoint that an export was made from.

    Raises:
        UserError: it is not there, or its files are others.
    """
    said = describe(folder)
    if "checkpoint" not in said or "step" not in said:
        raise UserError("assets.extra/easymtl.json does not name it.")
    named, step = Path(str(said["checkpoint"])), int(said["step"])
    found = Checkpoint(named, step) if (named / "state.json").is_file() else None
    found = found or (CheckpointFolder(pipeline.model_dir).at(step) if is_given else None)
    if found is None:
        raise UserError(f"{named} is not there.")
    files = said.get("checkpoint_files")
    if files is None and not is_given:
        raise UserError(f"{named} may have changed since: this export does not tell its checksums.")
    if files is not None and found.state().get("files") != files:
        raise UserError(f"{found.path} is not what the export was made from: its files have other checksums.")
    found.check()
    return found
