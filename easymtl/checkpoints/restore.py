"""Bringing a model back from its model_dir, for evaluation and export."""

from pathlib import Path

from easymtl.checkpoints.calibrations import Begin, calibrate
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.meaning import require_same_meaning
from easymtl.checkpoints.saved_averages import take_averages
from easymtl.checkpoints.tables_on_disk import load_on_disk
from easymtl.checkpoints.weights import Weights
from easymtl.errors import UserError, quoted
from easymtl.features.least_room import least_room
from easymtl.features.memory import are_on_gpu, require_scoring_memory
from easymtl.features.table_sharding import are_dealt_out
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker


def find_checkpoint(pipeline: Pipeline, choice: str = "latest") -> Checkpoint:
    """Returns a checkpoint of the config's model_dir.

    Args:
        pipeline: names the model_dir.
        choice: "latest", "best", a step, or the path of a checkpoint folder.

    Raises:
        UserError: there is no such checkpoint.
    """
    folder = CheckpointFolder(pipeline.model_dir)
    checkpoints = folder.all()
    if (Path(choice) / "state.json").is_file():
        state = Checkpoint(Path(choice), 0).state()
        return Checkpoint(Path(choice), int(state["step"]))
    if not checkpoints:
        raise UserError(
            f"{folder.path}: there is no checkpoint. Train first: easymtl train --pipeline_config ..., "
            "or name another model_dir: --set model_dir=..."
        )
    if choice == "latest":
        return checkpoints[-1]
    step = checkpoints[-1].state().get("best", {}).get("step") if choice == "best" else choice
    found = folder.at(int(step)) if str(step).isdigit() else None
    if found is None:
        steps = quoted(str(checkpoint.step) for checkpoint in checkpoints)
        raise UserError(
            f'{folder.path}: there is no checkpoint "{choice}"; use latest, best, a folder, or a step: {steps}.'
        )
    return found


def load_ranker(
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    is_exported: bool = False,
    begin: Begin = lambda name, detail: None,
    is_on_disk: bool = False,
    peers: Peers = ONE,
) -> Ranker:
    """Builds the model of a config and fills it from a checkpoint, with moving averages where the config has them.

    Where the config has a `post_calibration`, probabilities go through the curves of the checkpoint.

    Args:
        pipeline: the config.
        checkpoint: the weights.
        is_exported: whether there has to be room for what an export holds beside them.
        begin: is told that a `post_calibration` is fitted, which reads data.
        is_on_disk: whether tables stay in the files of the checkpoint, see `tables_on_disk.py`.
        peers: the workers that score with it together, each of which may then have a part of the tables.

    Raises:
        UserError: the model does not fit in memory, the checkpoint is damaged or of another model, or a
            `post_calibration` cannot be fitted.
    """
    owners = owners_of_tables(pipeline, peers, is_exported)
    state = checkpoint.state()
    if is_on_disk:
        ranker = load_on_disk(pipeline, checkpoint, state)
    else:
        ranker = Ranker(pipeline, owners, draws_tables=False)
        Weights(ranker).read(checkpoint.path)
        take_averages(pipeline, ranker, checkpoint.path, state)
    require_same_meaning(pipeline, checkpoint, state)
    calibrate(pipeline, checkpoint, ranker, state, begin, owners)
    return ranker


def owners_of_tables(pipeline: Pipeline, peers: Peers, is_exported: bool) -> Peers:
    """Returns the workers that tables are dealt out to, and checks that each has room for its part of them.

    Raises:
        UserError: one has not.
    """
    room = least_room(peers)
    available = None if are_on_gpu(pipeline) else room.available
    owners = peers if are_dealt_out(pipeline, peers.size, available, is_training=False) else ONE
    require_scoring_memory(pipeline, is_exported, room, owners.size)
    return owners
