"""`nan_policy` of several workers: all leave the same batch out or go back to the same checkpoint, also when killed."""

import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.training.events import Note
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import CONFIG, of_kind, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.threads, pytest.mark.usefixtures("op_by_op")]

BATCH = 32
GROWING = ("hash_bucket_size: 40", "growing {{ max_rows: 18 admit_after: 2 expire_after_steps: 2 }}")


class Run:
    """What one worker has left."""

    def __init__(self, config, workers, stops_at):
        self.notes = []
        trainer = Trainer(config, self._hear, lambda: any(stops_at in note for note in self.notes), peers=workers)
        self.result = trainer.run()
        self.weights = {name: one.read().numpy().tobytes() for name, one in trainer.ranker.parameters.items()}

    def _hear(self, event):
        self.notes += [one.text for one in of_kind([event], Note)]

    @property
    def refusals(self):
        return [note for note in self.notes if "was not made" in note]


def spoil(path, row):
    """Gives a row a price whose square is beyond float32."""
    lines = path.read_text().splitlines()
    lines[row] = ",".join([*lines[row].split(",")[:4], "3e38"])
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("refusing")
    write_rows(folder / "train.csv", 10 * BATCH, seed=1)
    write_rows(folder / "eval.csv", 70, seed=2)
    # One of the rows of the second worker, which has every second one, in its second batch.
    spoil(folder / "train.csv", 3 * BATCH + 5)
    (folder / "plain.config").write_text(CONFIG.format(folder=folder))
    (folder / "growing.config").write_text(CONFIG.replace(*GROWING).format(folder=folder))
    return folder


def train(folder, model, *overrides, kind="plain", stops_at="nothing"):
    in_order = (f"model_dir={folder / model}", "data_config.shuffle=false", "export_config.exporter_type=none")
    config = load_config(str(folder / f"{kind}.config"), [*in_order, *overrides])
    return together(2, lambda workers: Run(config, workers, stops_at))


def ids_of(folder, model):
    """Returns the files of the ids of growing tables: one, or of ids that are dealt out one of each worker."""
    path = CheckpointFolder(folder / model).latest().path
    return {file.name: file.read_bytes() for file in path.glob("growing*.npz")}


@pytest.mark.parametrize("kind", ["plain", "growing"])
@pytest.mark.parametrize("layout", ["REPLICATED", "SHARDED"])
@pytest.mark.parametrize(("policy", "done"), [("SKIP_BATCH", "is left out"), ("ROLLBACK", "goes back to")])
def test_workers_go_on_alike_behind_a_bad_batch_of_one_of_them(folder, kind, layout, policy, done):
    settings = (f"train_config.nan_policy={policy}", f"train_config.table_sharding={layout}")
    settings = (*settings, "train_config.num_steps=7", "train_config.save_checkpoints_steps=3")
    name = f"{kind}-{layout}-{policy}"
    whole = train(folder, name, *settings, kind=kind)
    assert [one.result.step for one in whole] == [7, 7]
    assert whole[0].refusals == whole[1].refusals and all(done in note for note in whole[0].refusals)
    assert "of worker 1: 32 rows" in whole[0].refusals[0] and "-worker_1.parquet" in whole[0].refusals[0]
    assert whole[0].weights == whole[1].weights or layout == "SHARDED"
    stopped = train(folder, f"{name}-again", *settings, kind=kind, stops_at="was not made")
    assert [one.result.is_stopped for one in stopped] == [True, True]
    rest = train(folder, f"{name}-again", *settings, kind=kind)
    assert [one.weights for one in rest] == [one.weights for one in whole]
    ids, again = (ids_of(folder, model) for model in (name, f"{name}-again"))
    assert ids == again and len(ids) == {"plain": 0, "growing": 2 if layout == "SHARDED" else 1}[kind]


@pytest.mark.parametrize("layout", ["REPLICATED", "SHARDED"])
@pytest.mark.parametrize("policy", ["STOP", "SKIP_BATCH", "ROLLBACK"])
def test_a_worker_without_rows_has_no_part_of_the_blame(folder, tmp_path, layout, policy):
    # A file each, in batches of 16: in the third step the first worker has 8 rows, and the second one none.
    write_rows(tmp_path / "part-0.csv", 40, seed=1)
    write_rows(tmp_path / "part-1.csv", 20, seed=2)
    spoil(tmp_path / "part-0.csv", 35)
    settings = (
        f"train_input_path={tmp_path / 'part-*.csv'}",
        "data_config.batch_size=16",
        "data_config.num_epochs=1",
        "train_config.num_steps=0",
        "train_config.save_checkpoints_steps=1",
        f"train_config.nan_policy={policy}",
        f"train_config.table_sharding={layout}",
    )
    name = f"uneven-{layout}-{policy}"
    if policy == "STOP":
        with pytest.raises(UserError, match="batch: of worker 0: 8 rows of part 1 of 2"):
            train(folder, name, *settings)
        return
    found = train(folder, name, *settings)
    [note], [same] = (one.refusals for one in found)
    assert note == same and "Batch: of worker 0: 8 rows" in note and "-worker_0.parquet" in note
    assert not list((folder / name).glob("*-worker_1.parquet"))
