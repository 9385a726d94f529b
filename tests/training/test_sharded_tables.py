"""Workers of which each has a part of the rows of the tables make the step that one worker with all of them makes."""

from dataclasses import replace

import numpy as np
import pytest

from easymtl.tasks.ranker import Ranker
from easymtl.training.inputs import TrainingInput
from easymtl.training.shared_update import rows_of_owners
from tests.peers.threads import make_devices, together
from tests.training.small_runs import write_data
from tests.training.test_several_workers import NUM_STEPS, OVERRIDES, Run, parts_of, pipeline_of

pytestmark = pytest.mark.threads

# Two widths, tables of several blocks and of one.
TABLES = (
    "train_config.optimizer_config[0].momentum_optimizer.momentum_optimizer_value=0",
    "feature_config.features[0].hash_bucket_size=400",
    "feature_config.features[2]={input_names: 'item' feature_name: 'wide' feature_type: IdFeature "
    "hash_bucket_size: 300 embedding_dim: 6}",
    "feature_config.features[3]={input_names: 'price' feature_type: RawFeature}",
    "model_config.feature_groups[0].feature_names=['item', 'tags', 'price', 'wide']",
)
ADAM = (
    "train_config.optimizer_config[0]={adam_optimizer {learning_rate {constant_learning_rate {learning_rate: .01}}}}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("sharded")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def batches(folder):
    pipeline = pipeline_of(folder, *TABLES)
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        return [next(feed).rows for _ in range(NUM_STEPS)]


def run_sharded(pipeline, batches, split):
    parts = list(zip(*(parts_of(rows, split) for rows in batches)))
    return together(len(split), lambda workers: Run(pipeline, parts[workers.index], workers, are_dealt_out=True))


def joined(runs):
    """Returns the weights and slots that workers have together, their dense ones having been compared."""
    whole = {}
    for name, value in runs[0].weights.items():
        table = next((t for t in runs[0].tables if name == t or name.startswith(f"{t}/")), None)
        if table is None:
            assert all(run.weights[name].tobytes() == value.tobytes() for run in runs), name
            whole[name] = value
            continue
        whole[name] = np.full(runs[0].tables[table].shape, np.nan, np.float32)
        for run in runs:
            rows = [row for first, count in run.tables[table].runs for row in range(first, first + count)]
            assert np.isnan(whole[name][rows]).all()
            whole[name][rows] = run.weights[name]
    return whole


def assert_as_one(one, runs):
    assert [run.step for run in runs] == [one.step] * len(runs)
    for weight, value in joined(runs).items():
        rtol = 1e-5 if "Momentum" in weight else 0
        np.testing.assert_allclose(value, one.weights[weight], rtol=rtol, atol=1e-6, err_msg=weight)
    for run in runs:
        assert run.losses() == runs[0].losses()
    for found, wanted in zip(runs[0].losses(), one.losses()):
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("split", [(30, 18), (0, 31, 17)])
def test_workers_with_a_part_of_the_rows_make_the_traced_steps_of_one(folder, batches, split):
    pipeline = pipeline_of(folder, *TABLES)
    assert_as_one(Run(pipeline, batches), run_sharded(pipeline, batches, split))


@pytest.mark.parametrize("name", OVERRIDES)
def test_what_a_step_may_have_holds_with_parts_of_the_rows(folder, batches, name, op_by_op):
    pipeline, some = pipeline_of(folder, *TABLES, *OVERRIDES[name]), batches[:3]
    assert_as_one(Run(pipeline, some), run_sharded(pipeline, some, (30, 18)))


MOVES_ALL = "train_config.optimizer_config[0].adam_optimizer.dense_embedding_update=true"
RATE = "learning_rate {constant_learning_rate {learning_rate: .01}}"
DECAYS = f"train_config.optimizer_config[0]={{adamw_optimizer {{weight_decay: .01 {RATE}}}}}"
AVERAGES = ("train_config.optimizer_config[0].use_moving_average=true",)


@pytest.mark.parametrize("overrides", [ADAM, (*ADAM, MOVES_ALL), (DECAYS,), (*ADAM, *AVERAGES)])
def test_optimizers_move_the_same_rows_wherever_they_are(folder, batches, overrides, op_by_op):
    pipeline, some = pipeline_of(folder, *TABLES, *overrides), batches[:2]
    # Against workers that have all rows: Adam divides what rounding leaves of gradients near 0 by itself.
    parts = list(zip(*(parts_of(rows, (30, 18)) for rows in some)))
    replicated = together(2, lambda workers: Run(pipeline, parts[workers.index], workers))
    found = joined(run_sharded(pipeline, some, (30, 18)))
    for name, value in replicated[0].weights.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-7, err_msg=name)


def test_initial_rows_are_the_same_however_many_workers_have_them(folder):
    pipeline = pipeline_of(folder, *TABLES)
    one = {name: table.read().numpy() for name, table in Ranker(pipeline).embeddings.parameters().items()}
    for size in (2, 3):
        tables = together(size, lambda workers: Ranker(pipeline, workers).embeddings.parameters())
        for name, value in one.items():
            rows = [np.concatenate([np.arange(b, b + n) for b, n in each[name].runs] or [[]]) for each in tables]
            assert sorted(np.concatenate(rows)) == list(range(len(value)))
            for own, each in zip(rows, tables):
                assert each[name].read().numpy().tobytes() == value[own.astype(int)].tobytes()


def test_a_gradient_that_is_not_finite_on_its_owner_alone_refuses_the_step_of_all(
    folder, batches, op_by_op, monkeypatch
):
    def spoilt(embeddings, lookups, gradients):
        changes = rows_of_owners(embeddings, lookups, gradients)
        if embeddings._peers.index == 0:
            return changes
        return [replace(change, gradient=change.gradient * np.nan) for change in changes]

    monkeypatch.setattr("easymtl.training.step.rows_of_owners", spoilt)
    runs = run_sharded(pipeline_of(folder, *TABLES), batches[:1], (24, 24))
    assert [run.step for run in runs] == [0, 0] and all(np.isnan(run.losses()[0]["loss"]) for run in runs)


def test_a_step_without_any_row_is_not_made(folder, batches, op_by_op):
    runs = run_sharded(pipeline_of(folder, *TABLES), [batches[0].slice(0, 0)], (0, 0))
    assert [run.step for run in runs] == [0, 0]
