"""Permutation importance is the difference of two evaluations: of the data, and of data with columns permuted."""

import zlib

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from easymtl.data.rows import Rows
from easymtl.errors import UserError
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.importance import half_width, permutation_importance
from easymtl.scoring.importance_rows import into_blocks, read_rows
from easymtl.scoring.judging import BATCH_SIZE, Judge, criteria
from easymtl.scoring.parts import parts_of
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from tests.scoring.importance_cases import ATTENTION, GRAPH, make_rows, read, write_rows

# The fields of each part whose features read no other part's fields.
_BY_INPUT = {"page": ["page"], "tags": ["tags"], "price": ["price"], "hist+ages": ["hist", "ages"]}
FIELDS_OF = {
    ("attention", "input", None): _BY_INPUT,
    ("attention", "input", "loss"): _BY_INPUT,
    ("attention", "feature", "gauc"): {"page": ["page"], "hist+ages": ["hist", "ages"]},
    ("attention", "group", "session_auc"): {"all": ["item", "page", "tags", "price", "city", "hist", "ages"]},
    ("graph", "input", None): {"page": ["page"], "tags": ["tags"], "liked": ["liked"]},
    ("graph", "feature", "weighted_auc"): {"tags": ["tags"], "price": ["price"]},
    ("graph", "group", "loss"): {"all": ["item", "page", "tags", "price", "city"], "numbers": ["price"]},
}


class Case:
    """A model with the weights that it starts with, and rows."""

    def __init__(self, folder, text: str):
        self.folder = folder
        self.columns = make_rows()
        write_rows(folder / "rows.csv", self.columns)
        self.pipeline = read(folder, text)
        self.ranker = Ranker(self.pipeline)
        self.scorer = RankerScorer(self.ranker, tf.float32)

    def rows(self, limit: int = 1000, paths: str = "") -> Rows:
        return read_rows(self.pipeline, self.scorer, self.ranker.tasks, paths or f"{self.folder}/rows.csv", limit)

    def evaluated(self, columns: dict[str, list[str]]) -> dict[str, float]:
        """Returns metrics and losses of columns of texts, by a file of them."""
        path = self.folder / "other.csv"
        write_rows(path, columns)
        metrics = evaluate(self.pipeline, self.ranker.tasks, self.scorer, str(path)).metrics
        sums = {task.name: sum(metrics[name] for name in task.loss_names) for task in self.ranker.tasks}
        return metrics | {f"loss_{name}": value for name, value in sums.items()}

    def measured(
        self, way: str = "feature", metric: str | None = None, repeats=1, seed=0, batch_size=BATCH_SIZE, rows=None
    ):
        blocks = into_blocks(self.rows() if rows is None else rows, 0)
        judge = Judge(self.scorer, self.ranker.tasks, criteria(self.pipeline, metric), batch_size)
        return permutation_importance(self.ranker.feature_set, blocks, judge, way, repeats, seed)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    texts = {"attention": ATTENTION, "graph": GRAPH}
    return {name: Case(tmp_path_factory.mktemp(name), text) for name, text in texts.items()}


def permuted(case: Case, part: str, fields: list[str], seed: int) -> dict[str, list[str]]:
    """Returns columns of texts in which fields are those of other rows, as importance draws them."""
    rows = case.rows()
    numbers = into_blocks(Rows({**rows.columns, "number": np.arange(len(rows))}), 0).rows["number"]
    order = np.random.default_rng([seed, zlib.crc32(part.encode()), 0]).permutation(len(rows))
    source = dict(zip(numbers, numbers[order]))
    changed = {field: [case.columns[field][source[row]] for row in range(len(rows))] for field in fields}
    return {**case.columns, **changed}


@pytest.mark.parametrize(("name", "way", "metric"), FIELDS_OF)
def test_it_is_what_evaluating_permuted_raw_rows_gives(cases, name, way, metric):
    case = cases[name]
    found = {(one.task, one.part): one for one in case.measured(way, metric).found}
    before = case.evaluated(case.columns)
    sign = 1 if metric == "loss" else -1
    for part, fields in FIELDS_OF[name, way, metric].items():
        after = case.evaluated(permuted(case, part, fields, 0))
        for criterion in criteria(case.pipeline, metric):
            one = found[criterion.task, part]
            assert one.value == pytest.approx(before[criterion.result], rel=1e-5)
            wanted = sign * (after[criterion.result] - before[criterion.result])
            assert one.loss == pytest.approx(wanted, abs=2e-6), (part, criterion)
            assert wanted != 0 and one.low < one.loss < one.high


def test_parts_are_features_by_the_names_of_the_config_whatever_reads_them(cases):
    attention, graph = (cases[name].ranker.feature_set for name in ("attention", "graph"))
    assert parts_of(attention, "feature")["hist+ages"] == ("hist", "ages"), "histories that are read side by side"
    assert parts_of(attention, "input")["item"] == ("item", "pair")
    assert parts_of(attention, "input")["price"] == ("price", "price_range")
    assert parts_of(attention, "group")["own"] == ("price", "tags", "page")
    assert parts_of(graph, "feature") == {
        "item": ("item", "wide/item"),
        "page": ("page",),
        "tags": ("tags", "wide/tags"),
        "price": ("price", "numbers/columns/price"),
        "pair": ("pair",),
        "liked": ("liked",),
    }
    assert list(parts_of(graph, "group")) == ["all", "wide", "steps", "numbers"]
    assert parts_of(graph, "group")["wide"] == ("item", "wide/item", "tags", "wide/tags")
    assert parts_of(graph, "group")["numbers"] == ("price", "numbers/columns/price")


@pytest.mark.slow
def test_what_is_the_same_in_all_rows_is_exactly_0(cases):
    case = cases["attention"]
    flat = {**case.columns, **{field: case.columns[field][:1] * 240 for field in ("hist", "ages", "tags", "page")}}
    path = case.folder / "flat.csv"
    write_rows(path, flat)
    for metric, repeats in ((None, 1), ("loss", 2)):
        found = case.measured(metric=metric, repeats=repeats, rows=case.rows(paths=str(path))).found
        numbers = {one.part: (one.loss, one.low, one.high) for one in found}
        for part in ("hist+ages", "tags", "tags_mean", "page"):
            assert numbers[part] == (0.0, 0.0, 0.0)
        assert numbers["item"] != (0.0, 0.0, 0.0)


@pytest.mark.slow
def test_it_is_a_function_of_the_seed_and_not_of_batches_or_of_other_parts(cases):
    case = cases["attention"]
    first, again, other = (case.measured(seed=seed).found for seed in (4, 4, 5))
    assert first == again != other
    small = case.measured(seed=4, batch_size=50, rows=case.rows()).found
    by_name = {(one.task, one.part): one for one in small}
    case.pipeline.data_config.eval_batch_size = 50
    rows = case.rows()
    case.pipeline.data_config.ClearField("eval_batch_size")
    for one, same in zip(first, case.measured(seed=4, rows=rows).found):
        assert same == one, "blocks do not depend on the batches that rows are read in"
        # The last digit of a score may depend on the batch, and with it a tie.
        assert by_name[one.task, one.part].loss == pytest.approx(one.loss, abs=2e-4)
        assert by_name[one.task, one.part].high == pytest.approx(one.high, abs=2e-3)
    by_input = {(one.task, one.part): one for one in case.measured("input", seed=4).found}
    assert by_input["ctr", "page"] == next(one for one in first if (one.task, one.part) == ("ctr", "page"))


def test_the_ranking_descends_task_by_task_and_is_told_as_it_goes(cases):
    found = cases["attention"].measured().found
    assert [one.task for one in found] == ["ctr"] * 8 + ["cvr"] * 8
    for task in ("ctr", "cvr"):
        losses = [one.loss for one in found if one.task == task]
        assert losses == sorted(losses, reverse=True) and max(losses) > 0


@pytest.mark.slow
def test_repeats_are_averaged(cases):
    case = cases["graph"]
    three = {one.part: one.loss for one in case.measured(repeats=3).found if one.task == "ctr"}
    whole = {one.part: one for one in case.measured(repeats=1).found if one.task == "ctr"}
    assert three.keys() == whole.keys() and all(three[part] != whole[part].loss for part in three)


@pytest.mark.slow
def test_labels_that_say_nothing_leave_intervals_around_0(cases):
    """The labels are random: about 95% of the intervals hold 0."""
    case = cases["attention"]
    found = [one for seed in range(2) for one in case.measured(repeats=2, seed=seed).found]
    holding = [one.low <= 0 <= one.high for one in found]
    assert np.mean(holding) > 0.85 and len(holding) == 32


def test_metrics_that_the_rows_do_not_determine_are_told(cases):
    case = cases["attention"]
    no_click = {**case.columns, "click": ["0"] * 240}
    path = case.folder / "no_click.csv"
    write_rows(path, no_click)
    with pytest.raises(UserError, match=r"no task can be judged by these 240 rows.*no group has both"):
        case.measured(metric="gauc", rows=case.rows(paths=str(path)))
    found = case.measured(rows=case.rows(paths=str(path)))
    assert {one.task for one in found.found} == {"cvr"}
    assert any("auc_ctr is not defined: all 240 labelled rows are negative" in warning for warning in found.warnings)


def test_half_a_width_is_that_of_student_of_pseudo_values():
    for count in (2, 5, 10):
        values = np.random.default_rng(count).normal(size=[count, 30])
        without = np.array([np.delete(values, block, 0).mean() for block in range(count)])
        wanted = stats.t.ppf(0.975, count - 1) * stats.sem(values.mean(axis=1))
        found = half_width(values.mean(), without)
        assert found == pytest.approx(wanted, rel=1e-3), "of a mean it is that of the means of blocks"
        assert half_width(values.mean(), np.append(without, np.nan)) == found, "a block that cannot be left out"
    assert np.isnan(half_width(1.0, np.array([1.0, np.nan])))
