"""Bringing in a checkpoint of EasyRec: its weights become step N of a model_dir, to evaluate, export or train on."""

from pathlib import Path

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.meaning import meaning_of, optimizers_of
from easymtl.checkpoints.saved_averages import STATE
from easymtl.checkpoints.saved_variables import open_easyrec_checkpoint
from easymtl.checkpoints.weights import Weights
from easymtl.data.feed import Cursor
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import balancing_name, make_descent
from easymtl.training.best import Best
from easymtl.training.growing_transfer import leave_rows_of_nobody
from easymtl.training.optimizers import Optimizers
from easymtl.training.overwriting import make_transfer
from easymtl.training.transfer import Choices, Transfer, describe_gaps, plan_transfer, require_any, targets_of


def import_checkpoint(
    pipeline: Pipeline, source: str, fresh_optimizer: bool = False, is_partial: bool = False
) -> Transfer:
    """Writes a checkpoint of EasyRec into the model_dir of a config.

    The step is the `global_step` there, the position in the data the beginning.

    Args:
        pipeline: the model.
        source: `.../model.ckpt-1000`, one of its files, or a folder whose `checkpoint` file names the newest one.
        fresh_optimizer: leave the optimizer slots there, and begin at step 0.
        is_partial: import what fits; what does not starts as in a new model.

    Raises:
        UserError: the model_dir is in use, there is no such checkpoint, it is damaged, or it does not fit the model;
            nothing has been written then.
    """
    _require_unused(pipeline.model_dir)
    there = open_easyrec_checkpoint(source)
    ranker = Ranker(pipeline)
    tables = list(ranker.embeddings.variables_by_width.values())
    descent = make_descent(pipeline, ranker)
    dense = [*ranker.dense_variables, *descent.trained]
    optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, dense)
    targets = targets_of(ranker, optimizers)
    transfer = plan_transfer(targets, there, Choices(with_slots=not fresh_optimizer, unread=ranker.unread))
    leave_rows_of_nobody(ranker, there, transfer)
    require_any(transfer, there)
    if not is_partial:
        _require_whole(transfer)
    transfer.step = 0 if fresh_optimizer else there.step()
    make_transfer(targets, there, transfer, optimizers)
    state = {
        "cursor": Cursor().to_dict(),
        "best": Best.from_pipeline(pipeline).state(),
        "metrics": {},
        "meaning": meaning_of(pipeline),
        "balancing": balancing_name(pipeline),
        "optimizers": optimizers_of(pipeline),
        STATE: optimizers.averaging(),
    }
    folder = CheckpointFolder(pipeline.model_dir)
    transfer.path = str(folder.save(transfer.step, Weights(ranker, optimizers), state).path)
    return transfer


def _require_unused(model_dir: str) -> None:
    path = Path(model_dir)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(
            f'model_dir "{model_dir}" is in use already. A checkpoint is imported into one that is new or empty: '
            "name another, --set model_dir=..."
        )


def _require_whole(transfer: Transfer) -> None:
    if transfer.is_whole:
        return
    raise UserError(
        f"{transfer.source}: this checkpoint is of another model than the config; {len(transfer.parameters)} of its "
        f"variables fit.{describe_gaps(transfer)}\nUse the config that it was trained with, or import what fits with "
        "--partial: the rest starts as in a new model."
    )
