"""Permutation importance: what is permuted, what it costs, and how sure that is."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.cli import main
from easymtl.config import load_config
from easymtl.data.rows import Ragged
from easymtl.errors import UserError
from easymtl.features.encoder import to_tensors
from easymtl.features.kinds import BagColumns, DenseColumns, IdColumns, Slot
from easymtl.scoring import importance
from easymtl.scoring.parts import exchanged, parts_of
from easymtl.scoring.scorer import RankerScorer
from tests.training.small_runs import CONFIG

ORDER = np.array([2, 0, 1])
NAMES = ("cause", "twin", "noise", "flat")


def slots(columns, widths):
    columns.slots = [Slot("g", f"f{i}", width, None, columns, sum(widths[:i])) for i, width in enumerate(widths)]
    return columns


def test_ids_and_numbers_of_one_feature_move_and_no_others():
    ids = slots(IdColumns("ids_4", 4), [1, 1])
    packed = np.array([[1, 5], [2, 6], [3, 7]])
    np.testing.assert_array_equal(ids.exchanged(packed, ids.slots[1:], ORDER), [[1, 7], [2, 5], [3, 6]])
    numbers = slots(DenseColumns("dense", 0), [2, 1])
    packed = np.arange(9.0).reshape(3, 3)
    expected = [[6, 7, 2], [0, 1, 5], [3, 4, 8]]
    np.testing.assert_array_equal(numbers.exchanged(packed, numbers.slots[:1], ORDER), expected)
    np.testing.assert_array_equal(packed, np.arange(9.0).reshape(3, 3), "what was given stays")


def test_bags_of_one_feature_move_with_their_lengths_and_weights():
    bags = slots(BagColumns("bags_4", 4), [1, 1])
    packed = Ragged(np.arange(6), np.array([[1, 2], [0, 1], [2, 0]], np.int32), np.arange(6, dtype=np.float32) / 10)
    found = bags.exchanged(packed, bags.slots[:1], ORDER)
    np.testing.assert_array_equal(found.lengths, [[2, 2], [1, 1], [0, 0]])
    np.testing.assert_array_equal(found.values, [4, 5, 1, 2, 0, 3])
    np.testing.assert_allclose(found.weights, np.array([4, 5, 1, 2, 0, 3]) / 10)


class Histories:
    """Features of which two are read side by side."""

    transforms = {name: type("T", (), {"inputs": (name.split("_")[0],)}) for name in ("a", "b", "c_1", "c_2")}
    fields = ("a", "b", "c")
    parallel = (("a", "c_1"),)
    groups: dict = {}


def test_histories_that_are_read_side_by_side_stay_together():
    assert parts_of(Histories, "feature") == {"a+c_1": ("a", "c_1"), "b": ("b",), "c_2": ("c_2",)}
    assert parts_of(Histories, "input") == {"a+c": ("a", "c_1", "c_2"), "b": ("b",)}


def write(path, number, seed):
    random = np.random.default_rng(seed)
    cause, noise = random.integers(0, 10, number), random.integers(0, 10, number)
    click = random.random(number) < 1 / (1 + np.exp(4.5 - cause))
    buy = random.random(number) < 1 / (1 + np.exp(cause - 4.5))
    rows = zip(click.astype(int), buy.astype(int), cause, cause, noise, [1] * number)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of a cause, its twin, noise, and a feature that is always the same."""
    folder = tmp_path_factory.mktemp("importance")
    write(folder / "train.csv", 4000, 1)
    write(folder / "eval.csv", 2000, 2)
    text = CONFIG.format(folder=folder)
    before, after = text.index('  input_fields { input_name: "item"'), text.index("  mmoe {")
    fields = "".join(f'input_fields {{ input_name: "{name}" }}\n' for name in NAMES)
    features = "".join(
        f'features {{ input_names: "{name}" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }}\n'
        for name in NAMES
    )
    group = 'feature_groups {{ group_name: "all" feature_names: ["{}"] wide_deep: DEEP }}'.format('", "'.join(NAMES))
    text = f"{text[:before]}{fields}}}\nfeature_config {{ {features} }}\nmodel_config {{ {group}\n"
    text += "variational_dropout { regularization_lambda: 0.5 }\n" + CONFIG.format(folder=folder)[after:]
    path = folder / "x.config"
    path.write_text(text.replace("num_steps: 6", "num_steps: 250").replace("save_checkpoints_steps: 3", ""))
    config = load_config(str(path), [])
    assert main(["train", "--pipeline_config", str(path)]) == 0
    return path, config.pipeline


@pytest.fixture(scope="module")
def ranker(trained):
    return load_ranker(trained[1], find_checkpoint(trained[1]))


@pytest.fixture(scope="module")
def measured(trained, ranker):
    pipeline, scorer = trained[1], RankerScorer(ranker, tf.float32)
    rows = importance.read_rows(pipeline, scorer, ranker.tasks, pipeline.eval_input_path, 2000)

    def measure(way="feature", metric=None, seed=0):
        results = importance.chosen_results(pipeline, metric)
        judge = importance.Judge(scorer, ranker.tasks, results, 512)
        found = importance.permutation_importance(ranker.feature_set, rows, judge, results, way, 3, seed)
        return {(one.task, one.part): one for one in found}, found

    return measure, rows


@pytest.mark.slow
def test_the_cause_counts_the_flat_is_exactly_0_and_noise_may_be_0(measured):
    by_name, found = measured[0]()
    for task in ("ctr", "cvr"):
        assert by_name[task, "flat"].loss == by_name[task, "flat"].low == by_name[task, "flat"].high == 0
        assert by_name[task, "noise"].low <= 0 <= by_name[task, "noise"].high
        assert by_name[task, "cause"].low > 0 and by_name[task, "twin"].low > 0
        assert [one.part for one in found if one.task == task][:2] in (["cause", "twin"], ["twin", "cause"])
        assert by_name[task, "cause"].value > 0.8, "an AUC, not its negative"
    together = measured[0]("group")[0]
    assert together["ctr", "all"].loss > by_name["ctr", "cause"].loss, "each twin stands in for the other"
    assert together["ctr", "all"].loss == pytest.approx(together["ctr", "all"].value - 0.5, abs=0.05)
    assert measured[0]()[1] == found and measured[0](seed=1)[1] != found
    assert measured[0](metric="loss")[0]["ctr", "cause"].low > 0


@pytest.mark.slow
def test_a_part_that_nothing_else_follows_is_what_it_says(trained, ranker, measured):
    rows = measured[1].slice(0, 3)
    assert parts_of(ranker.feature_set, "input")["twin"] == ("twin",)
    assert parts_of(ranker.feature_set, "group") == {"all": NAMES}
    before, after = to_tensors(rows), to_tensors(exchanged(rows, ranker.feature_set, ["cause"], ORDER))
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["ids_4"]
    np.testing.assert_array_equal(after["ids_4"][:, 0], before["ids_4"][ORDER][:, 0])
    with pytest.raises(UserError, match=r'no task tower has "acu".*Did you mean "auc"'):
        importance.chosen_results(trained[1], "acu")


@pytest.mark.slow
def test_the_commands_write_rankings(trained, tmp_path, capsys):
    command = ["importance", "--pipeline_config", str(trained[0])]
    target = tmp_path / "ranking.csv"
    assert (
        main([*command, "--rows", "500", "--repeats", "1", "--output", str(target), "--plot", f"{tmp_path}/a.png"]) == 0
    )
    assert (tmp_path / "a.png").stat().st_size > 1000
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert len(rows) == 8 and rows[0]["task"] == "ctr" and rows[0]["part"] in ("cause", "twin")
    written = Path(trained[1].model_dir) / "feature_importance_all.csv"
    of_training = written.read_text()
    written.unlink()
    assert main([*command, "--variational"]) == 0
    assert written.read_text() == of_training
    learnt = list(csv.DictReader(written.read_text().splitlines()))
    rates = [float(row["rate"]) for row in learnt]
    assert rates == sorted(rates) and {row["feature"] for row in learnt[:2]} == {"cause", "twin"}
    assert main([*command, "--by", "featur"]) == 2
    assert 'Did you mean "feature"?' in capsys.readouterr().err
