"""Where in the graph of a step workers talk to each other: nowhere that depends on what one of them has seen."""

import pytest
import tensorflow as tf

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.peers.peers import ONE
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import make_train_step
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, write_data

pytestmark = [pytest.mark.slow, pytest.mark.threads]

BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile")
SETTINGS = {
    "replicated": ("train_config.sync_batch_norm=true", "train_config.task_balancing.gradnorm={}"),
    "sharded": ("train_config.gradient_clipping_by_norm=1", "train_config.task_balancing.pcgrad={}"),
}


def graph_of_step(pipeline, workers, are_dealt_out):
    ranker = Ranker(pipeline, workers if are_dealt_out else ONE)
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        signature = batch_signature(to_tensors(next(feed).rows))
    descent, tables = make_descent(pipeline, ranker), list(ranker.embeddings.variables_by_width.values())
    settings, step = pipeline.train_config, tf.Variable(0, dtype=tf.int64)
    optimizers = Optimizers(settings.optimizer_config, tables, [*ranker.dense_variables, *descent.trained])
    made = make_train_step(ranker, optimizers, step, settings, tf.float32, signature, descent, workers)
    return made.traced().graph.as_graph_def()


def functions_named_by(nodes):
    """Returns the functions that nodes call or choose among."""
    for node in nodes:
        for value in node.attr.values():
            yield from (one.name for one in (value.func, *value.list.func) if one.name)


def collectives(nodes):
    return [node.name for node in nodes if node.op.startswith("Collective")]


@pytest.mark.parametrize("layout", SETTINGS)
def test_workers_never_talk_within_a_branch_or_a_loop(tmp_path, layout):
    make_devices()
    write_data(tmp_path)
    pipeline = small_config(tmp_path, *SETTINGS[layout]).pipeline
    [graph, _] = together(2, lambda workers: graph_of_step(pipeline, workers, layout == "sharded"))
    bodies = {function.signature.name: function.node_def for function in graph.library.function}
    everywhere = [*graph.node, *(node for body in bodies.values() for node in body)]
    waiting = list(functions_named_by(node for node in everywhere if node.op in BRANCHES))
    within = set()
    while waiting:
        name = waiting.pop()
        if name not in within:
            within.add(name)
            waiting += functions_named_by(bodies[name])
    assert len(collectives(everywhere)) > 2 and within
    assert {name: collectives(bodies[name]) for name in within} == {name: [] for name in within}
