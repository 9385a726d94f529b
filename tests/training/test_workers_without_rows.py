"""A worker that has no row in a step: its rows have come to their end before those of others."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.peers.peers import NUM_FLAGS, Peers
from easymtl.tasks.ranker import Ranker
from easymtl.training.inputs import TrainingInput
from easymtl.training.reports import losses_of_one_worker
from tests.peers.threads import make_devices
from tests.training.small_runs import CONFIG, write_data
from tests.training.test_several_workers import SMOOTH, Run, assert_as_one, run_together

pytestmark = pytest.mark.usefixtures("op_by_op")

ROOT = Path(__file__).parents[2]
# Tables of Tenrec take most of the time, and other samples have its architectures and kinds of features.
FOLDERS = ("configs", "tour")
SAMPLES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / "samples" / folder).glob("*.config"))
    if not path.stem.endswith("_on_tenrec")
]
MADE_UP = (
    "data_config.input_type=DummyInput",
    "data_config.batch_size=8",
    "data_config.num_epochs=0",
    "train_config.mixed_precision=FLOAT32",
    "train_config.fine_tune_checkpoint=",
    "train_config.nan_policy=STOP",
    "eval_config.calibration_input_path=nothing.csv",
    "train_config.num_steps=1",
)
TWO_VIEWS = """
  model_name: "two_views"
  backbone {
    blocks { name: "in" inputs { feature_group_name: "all" } input_layer {} }
    blocks { name: "one" inputs { block_name: "in" } keras_layer { class_name: "MLP" mlp { LAYERS OPEN } } }
    blocks { name: "other" inputs { block_name: "in" } keras_layer { class_name: "MLP" mlp { LAYERS OPEN } } }
    blocks {
      name: "views" inputs { block_name: "one" } inputs { block_name: "other" } merge_inputs_into_list: true
      keras_layer {
        class_name: "AuxiliaryLoss" st_params { fields { key: "loss_type" value { string_value: "LOSS" } } }
      }
    }
    concat_blocks: "one"
  }
  model_params { task_towers { tower_name: "ctr" label_name: "click" dnn { LAYERS } metrics_set { auc {} } } }
""".replace("LAYERS", 'hidden_units: 6 activation: "tanh" use_bn: false').replace("OPEN", "use_final_bn: false")


class WithoutRows(Peers):
    """The second of two workers, whose first one has nothing either: what it adds is looked at."""

    index, size = 1, 2

    def __init__(self):
        self.flags = tf.Variable(tf.zeros([NUM_FLAGS]))
        self.odd = []

    def _seen(self, tensors):
        self.odd += [one for one in tensors if one.dtype.is_floating and not np.isfinite(one).all()]
        return list(tensors)

    sum = total = _seen

    def gather(self, parts):
        return list(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("without_rows")
    write_data(folder)
    return folder


def of_two_views(folder, loss):
    text = CONFIG.format(folder=folder)
    mmoe = slice(text.index("  mmoe {"), text.index("  embedding_regularization"))
    path = folder / f"{loss}.config"
    path.write_text(text.replace(text[mmoe], TWO_VIEWS.replace("LOSS", loss)))
    return load_config(str(path), [*SMOOTH[:2], "data_config.batch_size=48"]).pipeline


@pytest.mark.parametrize(
    ("loss", "split"), [("l2_loss", (30, 18)), ("l2_loss", (48, 0)), ("info_nce", (48, 0)), ("nce_loss", (0, 48))]
)
def test_the_loss_of_a_layer_is_that_of_one_worker(folder, loss, split):
    pipeline = of_two_views(folder, loss)
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        batches = [next(feed).rows for _ in range(2)]
    assert_as_one(Run(pipeline, batches), run_together(pipeline, batches, split))


def test_losses_of_layers_that_compare_rows_are_told_with_those_of_tasks(folder):
    names = {loss: losses_of_one_worker(Ranker(of_two_views(folder, loss))) for loss in ("l2_loss", "info_nce")}
    assert names == {"l2_loss": [], "info_nce": ["views_info_nce_loss"]}


@pytest.mark.slow
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_it_adds_is_finite_whatever_the_model(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    pipeline = load_config(str(path), MADE_UP).pipeline
    ranker = Ranker(pipeline)
    with TrainingInput(pipeline, ranker, None).feed as feed:
        rows = ranker.feature_set.growing.assign(next(feed).rows)
    peers = WithoutRows()
    run = Run(pipeline, [rows.slice(0, 0)], peers)
    assert not peers.odd
    assert run.step == 0 and all(np.isfinite(value).all() for value in run.weights.values())
