"""Which model a command scores with: `--checkpoint` of the model_dir, or `--saved_model`."""

from argparse import Namespace

import tensorflow as tf

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.scoring import SavedModelScorer
from easymtl.training.evaluation import RankerScorer, Scorer
from easymtl.training.restore import find_checkpoint, load_ranker


def choose_scorer(pipeline: Pipeline, options: Namespace) -> tuple[Scorer, int | None]:
    """Returns what scores, in float32, and the step of its checkpoint if that is known.

    Raises:
      UserError: there is no such checkpoint or SavedModel.
    """
    if options.saved_model:
        return SavedModelScorer(options.saved_model, pipeline), None
    checkpoint = find_checkpoint(pipeline, options.checkpoint)
    return RankerScorer(load_ranker(pipeline, checkpoint), tf.float32), checkpoint.step
