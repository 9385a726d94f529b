"""What moved the score of a row is the score less its mean over scores of the same row with a value of others."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.scoring.predictions import scores_of
from easymtl.scoring.row_effects import read_unlabelled, row_effects
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from tests.scoring.importance_cases import ATTENTION, GRAPH, make_rows, read, write_rows

pytestmark = pytest.mark.usefixtures("op_by_op")
NUM_ROWS = 9
FIELDS_OF = {
    ("attention", "input"): {"page": ["page"], "tags": ["tags"], "hist+ages": ["hist", "ages"]},
    ("graph", "feature"): {"liked": ["liked"]},
}
# Towers without layers: what is predicted of numbers is linear in them, and the logits of classes are.
LINEAR = """
train_input_path: "rows.csv" model_dir: "model"
data_config {
  input_type: CSVInput label_fields: ["cost", "kind"]
  input_fields { input_name: "cost" input_type: FLOAT } input_fields { input_name: "kind" input_type: INT32 }
  input_fields { input_name: "size" input_type: FLOAT } input_fields { input_name: "age" input_type: FLOAT }
}
feature_config {
  features { input_names: "size" feature_type: RawFeature } features { input_names: "age" feature_type: RawFeature }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["size", "age"] }
  simple_multi_task {
    task_towers { tower_name: "price" label_name: "cost" loss_type: L2_LOSS }
    task_towers { tower_name: "kind" label_name: "kind" num_class: 3 }
  }
}
train_config { optimizer_config { adam_optimizer { learning_rate {
  constant_learning_rate { learning_rate: 0.1 } } } } num_steps: 1 }
"""


class Case:
    """A model with the weights that it starts with, and a few rows."""

    def __init__(self, folder, pipeline, path):
        self.folder, self.pipeline, self.path = folder, pipeline, str(path)
        self.ranker = Ranker(pipeline)
        self.scorer = RankerScorer(self.ranker, tf.float32)

    def effects(self, num_rows, way="feature", draws=100, seed=0, limit=1000):
        features = self.ranker.feature_set
        rows = read_unlabelled(self.pipeline, self.scorer, self.path, features.request_fields, limit)
        return row_effects(features, self.scorer, rows, num_rows, way, draws, seed)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    found = {}
    for name, text in {"attention": ATTENTION, "graph": GRAPH}.items():
        folder = tmp_path_factory.mktemp(name)
        write_rows(folder / "rows.csv", make_rows(NUM_ROWS))
        found[name] = Case(folder, read(folder, text), folder / "rows.csv")
    return found


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear")
    random = np.random.default_rng(3)
    numbers = random.normal(size=(40, 2)).round(3)
    (folder / "rows.csv").write_text("".join(f",,{size},{age}\n" for size, age in numbers))
    (folder / "x.config").write_text(LINEAR)
    case = Case(folder, load_config(str(folder / "x.config")).pipeline, folder / "rows.csv")
    return case, numbers


def scores_with_part_of_others(case, row, fields):
    """Returns the scores of a row as it is, and with fields of each other row, by files of texts."""
    columns = make_rows(NUM_ROWS)
    others = [other for other in range(NUM_ROWS) if other != row]
    changed = {
        name: [values[other if name in fields else row] for other in (row, *others)] for name, values in columns.items()
    }
    path = case.folder / "changed.csv"
    write_rows(path, changed)
    table = scores_of(case.pipeline, case.scorer, str(path))
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), FIELDS_OF)
def test_with_all_other_rows_it_is_what_scoring_files_with_their_values_gives(cases, name, way):
    case = cases[name]
    found = {(one.row, one.score, one.part): one for one in case.effects(2, way)}
    assert {score for _, score, _ in found} == {"probs_ctr", "probs_cvr"}
    for part, fields in FIELDS_OF[name, way].items():
        effects = []
        for row in range(2):
            scores = scores_with_part_of_others(case, row, fields)
            for score in ("probs_ctr", "probs_cvr"):
                one = found[row, score, part]
                assert one.value == pytest.approx(scores[score][0], abs=1e-6)
                assert one.effect == pytest.approx(scores[score][0] - scores[score][1:].mean(), abs=1e-6)
                assert one.error == 0
                effects.append(one.effect)
        assert any(abs(effect) > 1e-5 for effect in effects), f"{part} moves nothing here"


def test_the_effect_on_a_linear_score_is_weight_times_distance_from_the_mean(linear):
    case, numbers = linear
    effects = {(one.row, one.part): one for one in case.effects(3) if one.score == "y_price"}
    scores = scores_of(case.pipeline, case.scorer, case.path)["y_price"].to_numpy()
    weights = np.linalg.lstsq(np.column_stack([numbers, np.ones(40)]), scores, rcond=None)[0]
    for row in range(3):
        others = np.delete(numbers, row, axis=0).mean(axis=0)
        for place, part in enumerate(("size", "age")):
            wanted = weights[place] * (numbers[row, place] - others[place])
            assert effects[row, part].effect == pytest.approx(wanted, abs=1e-5)
        total = sum(effects[row, part].effect for part in ("size", "age"))
        assert total == pytest.approx(scores[row] - np.delete(scores, row).mean(), abs=1e-5)
    assert abs(weights[:2]).min() > 0.01


def test_of_several_classes_it_is_that_of_the_likeliest(linear):
    case, _ = linear
    probabilities = np.stack(scores_of(case.pipeline, case.scorer, case.path)["probs_kind"].to_pylist())
    found = [one for one in case.effects(20) if one.score.startswith("probs_kind")]
    assert {one.score for one in found} > {"probs_kind[0]"} or len({one.score for one in found}) > 1
    for one in found:
        likeliest = probabilities[one.row].argmax()
        assert one.score == f"probs_kind[{likeliest}]"
        assert one.value == pytest.approx(probabilities[one.row, likeliest], abs=1e-6)


def test_fewer_draws_have_the_standard_error_of_drawing_without_replacement(linear):
    case, numbers = linear
    scores = scores_of(case.pipeline, case.scorer, case.path)["y_price"].to_numpy()
    weight = np.linalg.lstsq(np.column_stack([numbers, np.ones(40)]), scores, rcond=None)[0][0]
    values = weight * np.delete(numbers[:, 0], 0)
    exact = weight * numbers[0, 0] - values.mean()
    found = []
    for seed in range(60):
        (one,) = [one for one in case.effects(1, draws=6, seed=seed) if (one.score, one.part) == ("y_price", "size")]
        found.append(one)
    spread = np.sqrt(values.var(ddof=1) / 6 * (1 - 6 / 39))
    assert np.mean([one.effect for one in found]) == pytest.approx(exact, abs=4 * spread / np.sqrt(60))
    assert np.std([one.effect for one in found]) == pytest.approx(spread, rel=0.3)
    assert np.sqrt(np.mean([one.error**2 for one in found])) == pytest.approx(spread, rel=0.2)


def test_draws_of_a_row_are_the_same_whichever_others_are_explained(linear):
    case, _ = linear
    alone, many = case.effects(1, draws=5, seed=4), case.effects(7, draws=5, seed=4)
    assert alone == [one for one in many if one.row == 0]
    assert alone != case.effects(1, draws=5, seed=5)


def test_rows_come_in_order_with_what_they_hold_and_the_largest_effect_first(cases):
    found = cases["graph"].effects(2, draws=3)
    assert [one.row for one in found] == sorted(one.row for one in found)
    first = [abs(one.effect) for one in found if (one.row, one.score) == (0, "probs_ctr")]
    assert first == sorted(first, reverse=True) and len(first) == 6
    columns = make_rows(NUM_ROWS)
    texts = {one.part: one.found for one in found if one.row == 1}
    assert texts["page"] == columns["page"][1]
    assert float(texts["price"]) == pytest.approx(float(columns["price"][1]))
    assert texts["pair"] == f"item={columns['item'][1]} city={columns['city'][1]}"


def test_a_single_row_has_no_others(cases):
    with pytest.raises(UserError, match="has 1 row, and values are exchanged between rows"):
        cases["graph"].effects(1, limit=1)
