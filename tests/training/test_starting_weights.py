"""`fine_tune_checkpoint`: what is taken over from whom, what is not and why, and that a resumed run is left alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from easymtl.checkpoints.slots import AVERAGE
from easymtl.checkpoints.weights import entries_of
from easymtl.errors import UserError
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.optimizers import Optimizers
from easymtl.training.overwriting import reshaped
from easymtl.training.starting_weights import preview_start, start_from_checkpoint
from tests.training.easyrec_checkpoints import save, write_index
from tests.training.small_runs import arrays, of_kind, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")
START = "train_config.fine_tune_checkpoint"
MAP = "train_config.fine_tune_ckpt_var_map"
FILTER = "model_config.restore_filters"
FORCE = "train_config.force_restore_shape_compatible=true"
OPTIMIZER = "train_config.optimizer_config[0]"
ITEMS = "input_layer/item_embedding/embedding_weights"
TAGS = "input_layer/tags_embedding/embedding_weights"
TAGS_THERE = "input_layer/tags_weighted_by_tags_w_embedding/embedding_weights"
KERNEL = "ctr/dnn_0/kernel"
NORM = "ctr/dnn_0/bn"


class Model:
    """A model of the small config before its first step, with what is beside its weights."""

    def __init__(self, folder: Path, *overrides: str):
        self.pipeline = small_config(folder, *overrides).pipeline
        self.ranker = Ranker(self.pipeline)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        configs = self.pipeline.train_config.optimizer_config
        self.optimizers = Optimizers(configs, tables, self.ranker.dense_variables)
        self.before = self.arrays()

    def start(self):
        """Starts from the checkpoint of the config."""
        self.transfer, self.notes = start_from_checkpoint(self.pipeline, self.ranker, self.optimizers)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        return {entry.name: entry.read().numpy() for entry in entries_of(self.ranker.parameters, self.optimizers)}

    def assert_only_moved(self, moved: dict[str, np.ndarray]) -> None:
        """Checks that these have the values of the checkpoint, and all the rest those of a new model."""
        now = self.arrays()
        assert set(moved) <= set(now)
        for name, value in now.items():
            np.testing.assert_array_equal(value, moved.get(name, self.before[name]), err_msg=name)


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def values(tmp_path_factory) -> dict[str, np.ndarray]:
    """The variables of such a model as EasyRec would have them: its names, no counts of norms, a step."""
    folder = tmp_path_factory.mktemp("values")
    write_data(folder)
    random = np.random.default_rng(7)
    found = {"global_step": np.int64(400), "beta1_power": np.float32(0.1), "beta2_power": np.float32(0.2)}
    for name, value in Model(folder).before.items():
        if not name.endswith("/count"):
            found[name.replace(TAGS, TAGS_THERE)] = random.random(value.shape).astype(np.float32)
    return found


def ours(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same values under our names, the counts of norms with them."""
    named = {name.replace(TAGS_THERE, TAGS): value for name, value in values.items() if "/" in name}
    counts = {name.replace("moving_mean", "count"): np.float32([1e9]) for name in named if name.endswith("moving_mean")}
    return named | counts


def started(folder: Path, values: dict[str, np.ndarray], *overrides: str) -> Model:
    prefix = save(folder / "there" / "model.ckpt-400", values)
    return Model(folder, f"{START}={prefix}", *overrides).start()


class TestWhatIsTakenOver:
    def test_all_of_equal_name_and_shape_slots_too_and_not_the_step(self, folder, values):
        model = started(folder, values)
        model.assert_only_moved(ours(values))
        transfer = model.transfer
        assert (transfer.step, transfer.fresh, transfer.fresh_slots, transfer.misfits) == (0, [], [], {})
        assert (transfer.unused, transfer.unused_slots, model.notes) == ([], [], [])
        assert transfer.parameters[TAGS] == TAGS_THERE
        assert transfer.slots[f"{TAGS}/Adam"] == f"{TAGS_THERE}/Adam"
        assert set(transfer.converged) == {
            name.removesuffix("/moving_mean") for name in values if name.endswith("moving_mean")
        }

    def test_a_folder_gives_its_newest(self, folder, values):
        save(folder / "there" / "model.ckpt-500", {**values, KERNEL: values[KERNEL] + 1})
        write_index(folder / "there", "model.ckpt-400")
        model = started(folder, values, f"{START}={folder}/there")
        np.testing.assert_array_equal(model.arrays()[KERNEL], values[KERNEL])

    def test_another_shape_is_left_as_it_is_with_its_slots(self, folder, values):
        other = {**values, KERNEL: values[KERNEL][:-1], f"{KERNEL}/Adam": values[f"{KERNEL}/Adam"][:-1]}
        model = started(folder, other)
        model.assert_only_moved({name: value for name, value in ours(values).items() if not name.startswith(KERNEL)})
        assert "is (5, 4) there" in model.transfer.misfits[KERNEL]
        assert model.transfer.unused == []
        assert set(model.transfer.fresh_slots) == {f"{KERNEL}/Adam", f"{KERNEL}/Adam_1"}

    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("change", [-1, 2])
    def test_another_shape_is_cut_or_padded_with_zeros_where_that_is_asked_for(self, folder, values, axis, change):
        names = [KERNEL, f"{KERNEL}/Adam", f"{KERNEL}/Adam_1"]
        width = [(0, 0), (0, 0)]
        width[axis] = (0, max(change, 0))
        other = {name: np.pad(values[name], width, constant_values=9.0) for name in names}
        if change < 0:
            other = {name: np.delete(value, -1, axis) for name, value in other.items()}
        model = started(folder, {**values, **other}, FORCE)
        expected = ours(values)
        for name in names if change < 0 else []:
            expected[name] = expected[name].copy()
            np.moveaxis(expected[name], axis, 0)[-1] = 0.0
        model.assert_only_moved(expected)
        assert list(model.transfer.reshaped) == [KERNEL]

    def test_a_table_that_has_grown_keeps_its_rows(self, folder, values):
        grown = "feature_config.features[0].hash_bucket_size=50"
        found = started(folder, values, grown, FORCE).arrays()
        np.testing.assert_array_equal(found[ITEMS], np.pad(values[ITEMS], [(0, 10), (0, 0)]))

    def test_slots_of_another_shape_than_their_weight_there_begin_anew(self, folder, values):
        slot = f"{KERNEL}/Adam"
        model = started(folder, {**values, slot: values[slot][:-1]}, FORCE)
        assert set(model.transfer.fresh_slots) == {slot, f"{KERNEL}/Adam_1"}
        model.assert_only_moved({name: v for name, v in ours(values).items() if not name.startswith(slot)})

    def test_statistics_are_padded_so_that_they_divide_by_one(self, folder, values):
        names = [f"{NORM}/moving_mean", f"{NORM}/moving_variance"]
        found = started(folder, {**values, **{name: values[name][:-1] for name in names}}, FORCE)
        mean, variance = (found.arrays()[name] for name in names)
        np.testing.assert_array_equal(mean, [*values[names[0]][:-1], 0.0])
        np.testing.assert_array_equal(variance, [*values[names[1]][:-1], 1.0])
        assert set(found.transfer.reshaped) == set(names)

    def test_a_statistic_whose_other_half_does_not_fit_is_not_taken_over(self, folder, values):
        mean, variance = f"{NORM}/moving_mean", f"{NORM}/moving_variance"
        other = {mean: values[mean][:-1], variance: values[variance][np.newaxis]}
        model = started(folder, {**values, **other}, FORCE)
        kept = (mean, variance, f"{NORM}/count")
        model.assert_only_moved({name: value for name, value in ours(values).items() if name not in kept})
        assert (model.transfer.reshaped, model.transfer.fresh) == ({}, [mean])
        assert list(model.transfer.misfits) == [variance]

    def test_accumulators_are_padded_with_what_new_ones_hold(self, folder, values):
        adagrad = f"{OPTIMIZER}={{adagrad_optimizer {{ learning_rate {{ constant_learning_rate {{}} }} }}}}"
        there = {name: value for name, value in values.items() if "/Adam" not in name}
        there |= {f"{name}/Adagrad": value for name, value in there.items() if name in (ITEMS, KERNEL)}
        found = started(folder, there, "feature_config.features[0].hash_bucket_size=41", adagrad, FORCE).arrays()
        np.testing.assert_array_equal(found[f"{ITEMS}/Adagrad"][:-1], values[ITEMS])
        np.testing.assert_array_equal(found[f"{ITEMS}/Adagrad"][-1], np.float32([0.1] * 4))

    def test_another_number_of_axes_does_not_fit_whatever_is_asked_for(self, folder, values):
        model = started(folder, {**values, KERNEL: values[KERNEL][0]}, FORCE)
        assert list(model.transfer.misfits) == [KERNEL]

    def test_another_optimizer_begins_anew(self, folder, values):
        momentum = "momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } }"
        model = started(folder, values, f"{OPTIMIZER}={{{momentum}}}")
        expected = {name: value for name, value in ours(values).items() if "/Adam" not in name}
        model.assert_only_moved(expected)
        assert f"{KERNEL}/Momentum" in model.transfer.fresh_slots

    @pytest.mark.parametrize("word", ["ctr/", "weighted_by", "Adam"])
    def test_names_that_hold_a_filter_are_left_alone(self, folder, values, word):
        model = started(folder, values, f"{FILTER}=['{word}']")
        kept = {name for name in values if word in name}
        kept |= {name.replace(TAGS_THERE, TAGS) for name in kept}
        model.assert_only_moved(
            {
                name: value
                for name, value in ours(values).items()
                if name not in kept and f"{word}dnn_0/bn/c" not in name
            }
        )
        filtered = {name for name in kept if "/Adam" not in name and TAGS_THERE not in name}
        assert set(model.transfer.filtered) == filtered
        assert (model.transfer.unused, model.notes) == ([], [])

    def test_a_filter_that_matches_nothing_is_told(self, folder, values):
        model = started(folder, values, f"{FILTER}=['mmeo']")
        assert model.notes == ['model_config.restore_filters: no name of a weight holds "mmeo". Did you mean "mmoe"?']

    def test_nothing_that_fits_is_an_error(self, folder):
        with pytest.raises(
            UserError,
            match=r"nothing of this checkpoint fits the model: .*of its parameters \d+ not in it: input_layer",
        ):
            started(folder, {"other/kernel": np.zeros([2, 2], np.float32)})

    def test_values_are_cut_and_padded_at_their_ends(self):
        value = np.arange(6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(reshaped(value, [3, 2], 7.0), [[0, 1], [3, 4], [7, 7]])


class TestMapOfVariables:
    def started(self, folder, values, text, *overrides):
        (folder / "names.txt").write_text(text)
        return started(folder, values, f"{MAP}={folder}/names.txt", *overrides)

    def test_a_line_gives_the_name_there_of_a_weight_and_of_its_slots(self, folder, values):
        there = {name.replace(KERNEL, "old/kernel").replace(TAGS_THERE, "t"): v for name, v in values.items()}
        model = self.started(folder, there, f"{KERNEL}  old/kernel\n\n{TAGS_THERE}\tt\n", f"{FILTER}=['cvr']")
        # The rest goes by its own name, and filters are left aside.
        model.assert_only_moved(ours(values))
        assert model.transfer.parameters[KERNEL] == "old/kernel"
        assert model.transfer.slots[f"{TAGS}/Adam"] == "t/Adam"

    def test_a_weight_may_start_from_that_of_another(self, folder, values):
        model = self.started(folder, values, f"{KERNEL} cvr/dnn_0/kernel\n")
        expected = ours(values)
        for slot in ("", "/Adam", "/Adam_1"):
            expected[KERNEL + slot] = values[f"cvr/dnn_0/kernel{slot}"]
        model.assert_only_moved(expected)

    def test_lines_that_name_nothing_are_all_told_with_the_nearest_names(self, folder, values):
        with pytest.raises(UserError) as caught:
            self.started(
                folder, values, f"{KERNEL} {KERNEL}\nctr/dnn_O/kernel {KERNEL}\n{KERNEL}/Adam cvr/dnn_O/kernel"
            )
        first, second = str(caught.value).splitlines()
        assert first == (
            f'{folder}/names.txt:2: "ctr/dnn_O/kernel" is no weight of the model. Did you mean "ctr/dnn_0/kernel"?'
        )
        assert second.startswith(f'{folder}/names.txt:3: "cvr/dnn_O/kernel" is not in the checkpoint')
        assert second.endswith('Did you mean "cvr/dnn_0/kernel"?')

    def test_a_preview_without_slots_takes_the_map_that_a_training_takes(self, folder, values):
        slot = f"{KERNEL}/Adam cvr/dnn_0/kernel/Adam\n"
        model = self.started(folder, values, slot)
        assert model.transfer.slots[f"{KERNEL}/Adam"] == "cvr/dnn_0/kernel/Adam"
        assert preview_start(model.pipeline, model.ranker)[0].parameters == model.transfer.parameters
        (folder / "names.txt").write_text(f"{slot}{KERNEL}s {KERNEL}\n")
        with pytest.raises(UserError, match=r'names\.txt:2: "ctr/dnn_0/kernels" is no weight of the model'):
            preview_start(model.pipeline, model.ranker)


AVERAGED = (f"{OPTIMIZER}.use_moving_average=true", f"{OPTIMIZER}.moving_average_decay=0.7")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of ours with averages, three steps, to be read only: folder and checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder)
    result, _ = train(folder, *AVERAGED, "train_config.num_steps=3", "eval_input_path=")
    return folder, result.checkpoint


class TestFromOurs:
    @pytest.mark.parametrize("part", ["model", "model/checkpoints", "model/checkpoints/step-000000003", "weights"])
    def test_a_model_dir_or_a_checkpoint_is_taken_whole(self, folder, trained, part):
        there, checkpoint = trained
        part = "model/checkpoints/step-000000003/weights.index" if part == "weights" else part
        model = Model(folder, f"{START}={there}/{part}").start()
        values = {name: value for name, value in arrays(checkpoint).items() if AVERAGE not in name}
        model.assert_only_moved(values)
        assert (model.transfer.fresh, model.transfer.unused, model.notes) == ([], [], [])
        assert not model.transfer.converged

    def test_averages_go_on_from_those_there_as_of_their_step(self, folder, trained):
        there, checkpoint = trained
        model = Model(folder, f"{START}={there}/model", *AVERAGED).start()
        values, now = arrays(checkpoint), model.arrays()
        stood_still = (3 - values[f"{ITEMS}/{AVERAGE}_step"])[:, np.newaxis]
        expected = values[ITEMS] + 0.7**stood_still * (values[f"{ITEMS}/{AVERAGE}"] - values[ITEMS])
        np.testing.assert_allclose(now[f"{ITEMS}/{AVERAGE}"], expected, rtol=1e-5, atol=1e-7)
        assert not now[f"{ITEMS}/{AVERAGE}_step"].any()
        np.testing.assert_array_equal(now[f"{KERNEL}/{AVERAGE}"], values[f"{KERNEL}/{AVERAGE}"])

    def test_averages_that_are_not_there_begin_at_the_weights(self, folder, values):
        now = started(folder, values, *AVERAGED).arrays()
        for name in (ITEMS, KERNEL):
            np.testing.assert_array_equal(now[f"{name}/{AVERAGE}"], values[name])

    def test_averages_are_taken_over_beside_an_optimizer_of_another_kind(self, folder, values):
        there = {name: value for name, value in values.items() if "/Adam" not in name}
        there[f"{KERNEL}/{AVERAGE}"] = values[KERNEL] + 1
        model = started(folder, there, *AVERAGED)
        np.testing.assert_array_equal(model.arrays()[f"{KERNEL}/{AVERAGE}"], values[KERNEL] + 1)
        assert f"{KERNEL}/Adam" in model.transfer.fresh_slots

    def test_a_folder_gives_its_newest_that_is_whole(self, folder, trained):
        for step, changed in (2, b""), (3, b""), (4, b"?"):
            copy = folder / "copy" / "checkpoints" / f"step-{step:09d}"
            shutil.copytree(trained[1].path, copy)
            data = copy / "weights.data-00000-of-00001"
            data.write_bytes(data.read_bytes() + changed)
        model = Model(folder, f"{START}={folder}/copy").start()
        assert "step-000000003" in model.transfer.source

    def test_a_damaged_checkpoint_is_refused(self, folder, trained):
        copy = folder / "copy"
        copy.mkdir()
        for file in trained[1].path.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        data = copy / "weights.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:-1] + b"?")
        with pytest.raises(UserError, match=f"{copy}: "):
            Model(folder, f"{START}={copy}").start()

    @pytest.mark.parametrize(
        ("override", "says"),
        [
            ('model_config.feature_groups[0].feature_names=["tags", "item", "price"]', "feature number 1 is another"),
            ("feature_config.features[2].normalizer_fn=log1p", ""),
            ("feature_config.features[1].separator=,", 'feature "tags" has separator'),
            ("model_config.mmoe.task_towers[1].label_name=click", ""),
        ],
    )
    def test_weights_that_fit_and_mean_something_else_are_told(self, folder, trained, override, says):
        if "normalizer" in override:
            override, says = "feature_config.features[2].max_val=3", 'feature "price" has max_val'
        notes = Model(folder, f"{START}={trained[0]}/model", override).start().notes
        assert len(notes) == bool(says)
        assert all(says in note for note in notes)


@pytest.mark.slow
class TestTraining:
    def test_a_new_training_starts_at_step_0_and_a_resumed_one_is_left_alone(self, folder, values):
        (folder / "elsewhere").mkdir()
        prefix = save(folder / "elsewhere" / "model.ckpt-400", values)
        whole, told = train(folder, f"{START}={prefix}", f"model_dir={folder}/whole", "eval_input_path=")
        [event] = of_kind(told, events.StartedFrom)
        assert event.transfer.source == prefix
        written = json.loads((folder / "whole" / "fine_tune.json").read_text())
        assert written["parameters"] == event.transfer.parameters
        assert whole.step == 6
        train(folder, f"{START}={prefix}", "train_config.num_steps=2", "eval_input_path=")
        for file in (folder / "elsewhere").iterdir():
            file.unlink()
        parts, told = train(folder, f"{START}={prefix}", "eval_input_path=")
        assert not of_kind(told, events.StartedFrom)
        expected, found = arrays(whole.checkpoint), arrays(parts.checkpoint)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)

    def test_the_first_losses_are_those_of_the_weights_that_were_taken_over(self, folder, trained):
        no_dropout = [f"model_config.mmoe.expert_dnn.dropout_ratio[{layer}]=0" for layer in (0, 1)]
        flags = [*no_dropout, "eval_input_path=", "data_config.shuffle=false", "train_config.num_steps=1"]
        start = f"{START}={trained[0]}/model"
        _, fresh = train(folder, *flags)
        losses = [
            of_kind(train(folder, *flags, start, f"model_dir={folder}/{name}")[1], events.Progress)[0].losses["loss"]
            for name in ("a", "b")
        ]
        assert losses[0] == losses[1] != of_kind(fresh, events.Progress)[0].losses["loss"]
