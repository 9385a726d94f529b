"""Which model a command scores with: `--checkpoint` of the model_dir, or `--saved_model`."""

from argparse import Namespace

import tensorflow as tf

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.scoring import SavedModelScorer, newest_export, step_of_export
from easymtl.training.evaluation import RankerScorer, Scorer
from easymtl.training.restore import find_checkpoint, load_ranker


def choose_scorer(pipeline: Pipeline, options: Namespace) -> tuple[Scorer, str, int]:
    """Returns what scores, in float32, where it comes from, and the number of updates it has had.

    Raises:
        UserError: there is no such checkpoint or SavedModel.
    """
    if options.saved_model:
        path = newest_export(options.saved_model)
        return SavedModelScorer(path, pipeline), str(path), step_of_export(path)
    checkpoint = find_checkpoint(pipeline, options.checkpoint)
    return RankerScorer(load_ranker(pipeline, checkpoint), tf.float32), str(checkpoint.path), checkpoint.step
