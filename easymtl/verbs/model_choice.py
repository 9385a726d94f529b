"""Which model a command scores with: `--checkpoint` of the model_dir, or `--saved_model`."""

from argparse import Namespace

import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.phases import begin
from easymtl.scoring.scorer import RankerScorer, Scorer
from easymtl.serving.saved_model_scorer import SavedModelScorer, newest_export, step_of_export


def choose_scorer(pipeline: Pipeline, options: Namespace) -> tuple[Scorer, str, int]:
    """Returns what scores, in float32, where it comes from, and the number of updates it has had.

    Raises:
        UserError: there is no such checkpoint or SavedModel.
    """
    if options.saved_model:
        path = newest_export(options.saved_model)
        begin("reading", str(path))
        return SavedModelScorer(path, pipeline), str(path), step_of_export(path)
    checkpoint = find_checkpoint(pipeline, options.checkpoint)
    begin("reading", str(checkpoint.path))
    return RankerScorer(load_ranker(pipeline, checkpoint), tf.float32), str(checkpoint.path), checkpoint.step
