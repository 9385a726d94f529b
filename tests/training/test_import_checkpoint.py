"""A checkpoint of EasyRec, imported, scores as EasyRec did; what does not fit is told by name."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.saved_variables import find_prefix
from easymtl.checkpoints.slots import AVERAGE
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from easymtl.training.import_checkpoint import import_checkpoint
from easymtl.training.trainer import Trainer
from tests.training.easyrec_checkpoints import GOLDEN, golden_values, save, write_index

pytestmark = pytest.mark.usefixtures("op_by_op")

ADAM = "01_simple_multi_task_bn_adam"
SMALL = "09_optimizers/adagrad"
KERNEL = "ctr/dnn_0/kernel"


def pipeline_of(case: str, model_dir: Path, *overrides: str) -> Pipeline:
    """Returns the config of a golden case, with another model_dir."""
    fixed = [f"model_dir={model_dir}", "train_config.mixed_precision=FLOAT32"]
    return load_config(str(GOLDEN / case / "pipeline.config"), [*fixed, *overrides]).pipeline


def scores(case: str, pipeline: Pipeline) -> dict[str, np.ndarray]:
    """Returns what the newest checkpoint predicts for the evaluation rows of a case."""
    scorer = RankerScorer(load_ranker(pipeline, find_checkpoint(pipeline)), tf.float32)
    with contextlib.chdir(GOLDEN / case), evaluation_feed(pipeline, scorer.encoder([]), pipeline.eval_input_path) as f:
        parts = [scorer.score(batch.rows)[0] for batch in f]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize(
    ("case", "overrides"),
    [
        (ADAM, []),
        (ADAM, ["model_config.bn_debias=false"]),
        ("02b_dbmtl_nobn_adam", []),
        ("04_mmoe_expert_bn", []),
        ("04b_mmoe_expert_nobn", []),
        ("07_features", []),
    ],
)
@pytest.mark.parametrize("moment", ["init", "step5"])
def test_an_imported_model_predicts_what_it_predicted_there(case, overrides, moment, tmp_path):
    prefix = save(tmp_path / "there" / "model.ckpt-5", golden_values(case, moment))
    pipeline = pipeline_of(case, tmp_path / "model", *overrides)
    report = import_checkpoint(pipeline, prefix)
    assert report.step == (5 if moment == "step5" else 0)
    assert (report.fresh, report.unused) == ([], [])
    assert bool(report.converged) == case.endswith(("_bn", "_bn_adam"))
    expected = np.load(GOLDEN / case / "forward_eval.npz")
    found = scores(case, pipeline)
    compared = [name for name in found if f"{moment}/{name}" in expected]
    assert len(compared) >= 4
    for name in compared:
        np.testing.assert_allclose(found[name], expected[f"{moment}/{name}"], rtol=1e-5, atol=1e-5, err_msg=name)


def test_slots_are_taken_over_and_training_goes_on_from_the_step(tmp_path):
    values = golden_values("09_optimizers/adam", "step5")
    pipeline = pipeline_of("09_optimizers/adam", tmp_path / "model")
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values))
    assert report.slots[f"{KERNEL}/Adam_1"] == f"{KERNEL}/Adam_1"
    assert (report.fresh_slots, report.unused_slots) == ([], [])
    reader = tf.train.load_checkpoint(find_checkpoint(pipeline).prefix)
    np.testing.assert_array_equal(reader.get_tensor(f"{KERNEL}/Adam_1"), values[f"{KERNEL}/Adam_1"])
    with contextlib.chdir(GOLDEN / "09_optimizers/adam"):
        config = load_config(
            "pipeline.config",
            [f"model_dir={tmp_path / 'model'}", "train_config.num_steps=7", "data_config.num_epochs=0"],
        )
        trainer = Trainer(config, lambda event: None)
        assert trainer.step == 5
        assert trainer.run().step == 7


def test_another_optimizer_starts_anew(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", golden_values("09_optimizers/adam", "step5"))
    report = import_checkpoint(pipeline_of(SMALL, tmp_path / "model"), prefix)
    assert not report.slots
    assert f"{KERNEL}/Adagrad" in report.fresh_slots
    assert f"{KERNEL}/Adam" in report.unused_slots
    assert report.unused == []


def test_a_fresh_optimizer_begins_at_step_0(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", golden_values("09_optimizers/adam", "step5"))
    pipeline = pipeline_of("09_optimizers/adam", tmp_path / "model")
    report = import_checkpoint(pipeline, prefix, fresh_optimizer=True)
    assert report.step == find_checkpoint(pipeline).step == 0
    assert not report.slots
    reader = tf.train.load_checkpoint(find_checkpoint(pipeline).prefix)
    assert not reader.get_tensor(f"{KERNEL}/Adam").any()


def test_a_partitioned_variable_is_whole_again(tmp_path):
    values = golden_values(SMALL, "step5")
    tables = [name for name in values if name.endswith("embedding_weights")]
    partitioned = dict.fromkeys(tables, 3) | {f"{name}/Adagrad": 2 for name in tables}
    pipeline = pipeline_of(SMALL, tmp_path / "model")
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values, partitioned))
    assert (report.fresh, report.fresh_slots, report.unused, report.unused_slots) == ([], [], [], [])
    reader = tf.train.load_checkpoint(find_checkpoint(pipeline).prefix)
    for name in partitioned:
        np.testing.assert_array_equal(reader.get_tensor(name), values[name])


def test_parts_under_names_of_their_own_are_put_together(tmp_path):
    values = golden_values(SMALL, "step5")
    table = next(name for name in values if name.endswith("embedding_weights"))
    whole = {slot: values.pop(f"{table}{slot}") for slot in ("", "/Adagrad")}
    for slot, value in whole.items():
        values |= {f"{table}/part_{i}{slot}": part for i, part in enumerate(np.array_split(value, 11))}
    pipeline = pipeline_of(SMALL, tmp_path / "model")
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values))
    assert (report.fresh, report.unused, report.unused_slots) == ([], [], [])
    reader = tf.train.load_checkpoint(find_checkpoint(pipeline).prefix)
    for slot, value in whole.items():
        np.testing.assert_array_equal(reader.get_tensor(f"{table}{slot}"), value)


def without(values: dict[str, np.ndarray], name: str, renamed: str) -> dict[str, np.ndarray]:
    return {renamed + key[len(name) :] if key.startswith(name) else key: value for key, value in values.items()}


def test_what_one_side_lacks_is_an_error_that_names_both(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", without(golden_values(SMALL, "step5"), KERNEL, "ctr/dnn_0/kernels"))
    with pytest.raises(UserError) as caught:
        import_checkpoint(pipeline_of(SMALL, tmp_path / "model"), prefix)
    text = str(caught.value)
    assert "1 not in the checkpoint: ctr/dnn_0/kernel." in text
    assert 'For ctr/dnn_0/kernel: Did you mean "ctr/dnn_0/kernels"?' in text
    assert "1 in the checkpoint, with no place in this model: ctr/dnn_0/kernels." in text
    assert "--partial" in text
    assert not (tmp_path / "model").exists()


def test_what_fits_is_imported_where_that_is_enough(tmp_path):
    values = without(golden_values(SMALL, "step5"), KERNEL, "ctr/old/kernel")
    pipeline = pipeline_of(SMALL, tmp_path / "model")
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values), is_partial=True)
    assert report.fresh == [KERNEL]
    assert report.fresh_slots == [f"{KERNEL}/Adagrad"]
    assert report.unused == ["ctr/old/kernel"]
    assert report.unused_slots == ["ctr/old/kernel/Adagrad"]
    reader = tf.train.load_checkpoint(find_checkpoint(pipeline).prefix)
    np.testing.assert_array_equal(reader.get_tensor("dnn_output_0/kernel"), values["dnn_output_0/kernel"])
    np.testing.assert_array_equal(reader.get_tensor(KERNEL), Ranker(pipeline).parameters[KERNEL].read())


def test_the_checkpoint_of_another_architecture_is_refused(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", golden_values("02b_dbmtl_nobn_adam", "step5"))
    with pytest.raises(
        UserError, match=r"variables fit\.\n(.|\n)*not in the checkpoint: mmoe/expert_0(.|\n)*and \d+ more"
    ):
        import_checkpoint(pipeline_of("04b_mmoe_expert_nobn", tmp_path / "model"), prefix)


@pytest.mark.parametrize("lost", ["moving_mean", "moving_variance"])
def test_half_of_the_statistics_of_a_norm_are_none(tmp_path, lost):
    values = golden_values(ADAM, "step5")
    del values[f"ctr/dnn_0/bn/{lost}"]
    pipeline = pipeline_of(ADAM, tmp_path / "model")
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values), is_partial=True)
    assert "ctr/dnn_1/bn" in report.converged
    assert "ctr/dnn_0/bn" not in report.converged
    assert sorted(report.fresh) == ["ctr/dnn_0/bn/moving_mean", "ctr/dnn_0/bn/moving_variance"]
    assert len(report.unused) == 1


def test_other_shapes_are_refused_and_nothing_is_written(tmp_path):
    values = golden_values(SMALL, "step5")
    values[KERNEL] = values[KERNEL][:-1]
    pipeline = pipeline_of(SMALL, tmp_path / "model")
    prefix = save(tmp_path / "model.ckpt-5", values)
    with pytest.raises(UserError, match=r"ctr/dnn_0/kernel is \(8, 4\) there, ctr/dnn_0/kernel is \(9, 4\) in the"):
        import_checkpoint(pipeline, prefix)
    assert not (tmp_path / "model").exists()
    report = import_checkpoint(pipeline, prefix, is_partial=True)
    assert list(report.misfits) == [KERNEL]
    assert report.fresh_slots == [f"{KERNEL}/Adagrad"]


def test_another_model_altogether_is_refused(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", {"global_step": np.int64(5), "bert/kernel": np.zeros(3, np.float32)})
    for is_partial in (False, True):
        with pytest.raises(UserError, match=r'nothing of this checkpoint fits.*The checkpoint has "bert/kernel"'):
            import_checkpoint(pipeline_of(SMALL, tmp_path / "model"), prefix, is_partial=is_partial)


def test_an_import_begins_the_averages_of_a_training_at_its_weights(tmp_path):
    values = golden_values(SMALL, "step5")
    table = next(name for name in values if name.endswith("embedding_weights"))
    other = next(name for name in values if name.endswith("embedding_weights") and name != table)
    values |= {f"{name}/{AVERAGE}": values[name] + 1 for name in (KERNEL, other)}
    averaged = "train_config.optimizer_config[0].use_moving_average=true"
    pipeline = pipeline_of(SMALL, tmp_path / "model", averaged)
    report = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values))
    assert report.slots[f"{KERNEL}/{AVERAGE}"] == f"{KERNEL}/{AVERAGE}"
    scored = load_ranker(pipeline, find_checkpoint(pipeline))
    np.testing.assert_array_equal(scored.parameters[KERNEL].read(), values[KERNEL] + 1)
    np.testing.assert_array_equal(scored.parameters[table].read(), values[table])
    # Averages are those of the step that is imported: nothing is caught up with.
    np.testing.assert_array_equal(scored.parameters[other].read(), values[other] + 1)


def test_a_model_dir_in_use_is_refused_and_an_empty_one_taken(tmp_path):
    prefix = save(tmp_path / "model.ckpt-5", golden_values(SMALL, "step5"))
    with pytest.raises(UserError, match=r"is in use already.*--set model_dir="):
        import_checkpoint(pipeline_of(SMALL, tmp_path), prefix)
    (tmp_path / "model").mkdir()
    assert import_checkpoint(pipeline_of(SMALL, tmp_path / "model"), prefix).step == 5


def test_a_checkpoint_of_ours_is_told_as_such(tmp_path):
    values = golden_values(SMALL, "step5")
    pipeline = pipeline_of(SMALL, tmp_path / "ours", "train_config.optimizer_config[0].use_moving_average=true")
    ours = import_checkpoint(pipeline, save(tmp_path / "model.ckpt-5", values)).path
    pipeline.model_dir = str(tmp_path / "model")
    for source in (tmp_path / "ours", Path(ours).parent, ours, f"{ours}/weights", f"{ours}/weights.index"):
        with pytest.raises(UserError, match=f"{source}: this is a checkpoint of easymtl.*--fine_tune_checkpoint"):
            import_checkpoint(pipeline, str(source))
    assert not (tmp_path / "model").exists()


class TestPaths:
    @pytest.fixture
    def folder(self, tmp_path):
        save(tmp_path / "there" / "model.ckpt-5", {"global_step": np.int64(5)})
        return tmp_path / "there"

    @pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001", ".meta"])
    def test_a_checkpoint_may_be_named_by_any_of_its_files(self, folder, ending):
        assert find_prefix(f"{folder}/model.ckpt-5{ending}") == f"{folder}/model.ckpt-5"

    def test_a_folder_that_was_moved_is_still_found(self, folder):
        write_index(folder, "model.ckpt-5")
        assert find_prefix(str(folder)) == f"{folder}/model.ckpt-5"

    def test_a_folder_that_does_not_tell_has_its_highest_step(self, folder):
        for step in (10, 9):
            save(folder / f"model.ckpt-{step}", {"global_step": np.int64(step)})
        assert find_prefix(str(folder)) == f"{folder}/model.ckpt-10"

    def test_what_is_not_there_is_told_with_what_is(self, folder):
        with pytest.raises(UserError, match=r'model\.ckpt-6\.index does not exist\. In .* there is "model\.ckpt-5"'):
            find_prefix(f"{folder}/model.ckpt-6")
        (folder / "best.index").write_bytes(b"")
        with pytest.raises(UserError, match=r'no file "checkpoint".*Name one of "best", "model\.ckpt-5"'):
            find_prefix(str(folder))
        with pytest.raises(UserError, match=r'no file "checkpoint".*Name one by its path'):
            find_prefix(str(folder.parent))

    def test_a_damaged_checkpoint_is_named(self, folder, tmp_path):
        (folder / "model.ckpt-5.index").write_bytes(b"damaged")
        with pytest.raises(UserError, match=r"model\.ckpt-5: cannot be read"):
            import_checkpoint(pipeline_of(SMALL, tmp_path / "model"), f"{folder}/model.ckpt-5")
