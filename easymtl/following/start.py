"""What is checked before a training follows its data, and what it holds for as long as it does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import require_apart, require_apart_from_training
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.checkpoints.lock import TrainingLock
from easymtl.config import Config, view
from easymtl.config.starting_weights import require_starting_weights
from easymtl.errors import UserError
from easymtl.following.listing import PartFolder, no_parts
from easymtl.following.wishes import Wishes, require_followable
from easymtl.peers.cluster import require_alone
from easymtl.serving.formats.packages import require_packages
from easymtl.serving.warmup_file import require_own_warmup


@contextmanager
def ready_to_follow(config: Config, wishes: Wishes) -> Iterator[None]:
    """Checks all that can be checked at once, takes the model_dir and starts TensorFlow.

    Raises:
        UserError: the config or the folder of parts is wrong, or another training is in the model_dir.
    """
    pipeline = config.pipeline
    require_alone(
        os.environ,
        "follow trains in one process: each of them would train on all parts by itself. Run it once, without "
        "TF_CONFIG. Several workers train on a part by easymtl train --new_data.",
    )
    require_followable(config)
    require_apart_from_training(config)
    require_apart(config, [("model_dir:", f"{pipeline.model_dir}/follow.jsonl")])
    require_starting_weights(config)
    require_own_warmup(pipeline)
    if wishes.export != "none":
        require_packages(pipeline)
    require_files(view.eval_input(pipeline))
    folder = PartFolder(view.train_input(pipeline))
    nothing = no_parts(folder, folder.list())
    if nothing:
        raise UserError(nothing)
    with TrainingLock(pipeline.model_dir):
        settings = pipeline.train_config
        start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
        yield
