"""The rows that were trained on last: which are remembered, their AUC, and what a training says of it."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from easymtl.config import load_config
from easymtl.data.rows import Rows
from easymtl.peers.peers import Peers
from easymtl.tasks.build import build_tasks
from easymtl.training import events, last_rows
from easymtl.training.last_rows import LastRows
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import CONFIG, of_kind, small_config, write_data, write_rows

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


class Column:
    def __init__(self, name):
        self.name = name


class Scorer:
    """Gives the scores that stand in the rows."""

    number_columns = (Column("click"), Column("buy"))
    num_calls = 0

    def score(self, rows):
        self.num_calls += 1
        return {name: np.asarray(rows[name]) for name in ("probs_ctr", "probs_cvr")}, None


@pytest.fixture
def tasks(tmp_path):
    write_data(tmp_path)
    return build_tasks(small_config(tmp_path).pipeline)


def batch(number, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 2, (number, 2)).astype(np.float32)
    numbers[::3, 1] = np.nan
    names = ("probs_ctr", "probs_cvr")
    return Rows({"numbers": numbers, **{name: random.random(number).astype(np.float32) for name in names}})


def test_the_auc_is_that_of_the_labelled_rows_of_the_newest_batches(tasks, monkeypatch):
    monkeypatch.setattr(last_rows, "MOST_ROWS", 100)
    rows = LastRows()
    batches = [batch(40, seed) for seed in range(6)]
    for one in batches:
        rows.add(one)
    kept = Rows.concat(batches[-3:])
    found = {one.tower: one for one in rows.aucs(tasks, Scorer())}
    labels = kept["numbers"]
    assert found["ctr"].value == pytest.approx(roc_auc_score(labels[:, 0], kept["probs_ctr"]))
    assert (found["ctr"].positives, found["ctr"].negatives) == (labels[:, 0].sum(), 120 - labels[:, 0].sum())
    known = ~np.isnan(labels[:, 1])
    assert found["cvr"].value == pytest.approx(roc_auc_score(labels[known, 1], kept["probs_cvr"][known]))


def test_rows_out_of_the_space_of_a_task_were_not_trained_on(tmp_path):
    write_data(tmp_path)
    tower = "model_config.mmoe.task_towers[1]."
    sets = [f"{tower}task_space_indicator_label=click", f"{tower}out_task_space_weight=0"]
    tasks = build_tasks(small_config(tmp_path, *sets).pipeline)
    one = batch(90)
    rows = LastRows()
    rows.add(one)
    found = {one.tower: one for one in rows.aucs(tasks, Scorer())}
    labels = one["numbers"]
    counted = (labels[:, 0] > 0) & ~np.isnan(labels[:, 1])
    assert found["cvr"].value == pytest.approx(roc_auc_score(labels[counted, 1], one["probs_cvr"][counted]))
    assert found["cvr"].positives + found["cvr"].negatives == counted.sum()


def test_nothing_is_known_of_one_kind_of_label_of_scores_that_are_no_numbers_or_of_no_rows(tasks):
    assert LastRows().aucs(tasks, Scorer()) == []
    one = batch(40)
    one["numbers"][:, 0] = 1
    one["probs_cvr"][7] = np.nan
    one["numbers"][7, 1] = 1
    rows = LastRows()
    rows.add(one)
    assert rows.aucs(tasks, Scorer()) == []


@pytest.mark.parametrize("numbers", [(3, 1), (0, 2), (2, 0, 1)])
def test_workers_find_the_auc_of_the_rows_of_all_of_them_and_score_as_often(tasks, numbers):
    batches = [[batch(40, seed=10 * worker + seed) for seed in range(number)] for worker, number in enumerate(numbers)]

    def work(workers):
        rows, scorer = LastRows(workers), Scorer()
        for one in (*batches[workers.index], batch(40).slice(0, 0)):
            rows.add(one)
        return rows.aucs(tasks, scorer), scorer.num_calls

    alone = LastRows()
    for one in (one for of_worker in batches for one in of_worker):
        alone.add(one)
    wanted = alone.aucs(tasks, Scorer())
    assert [one.tower for one in wanted] == ["ctr", "cvr"]
    assert together(len(numbers), work) == [(wanted, max(numbers))] * len(numbers)


def test_workers_together_remember_as_many_rows_as_one(tasks, monkeypatch):
    monkeypatch.setattr(last_rows, "MOST_ROWS", 80)

    def work(workers):
        rows = LastRows(workers)
        for seed in range(5):
            rows.add(batch(40, seed))
        return rows.aucs(tasks, Scorer())[0]

    for one in together(2, work):
        assert one.positives + one.negatives == 80


def test_what_all_rows_tell_is_said_by_all_workers_once(tasks):
    good = batch(400)
    good.columns["numbers"] = (good["probs_ctr"] > 0.5).astype(np.float32)[:, None].repeat(2, axis=1)
    bad = Rows({**good.columns, "numbers": 1 - good["numbers"]})

    def work(workers):
        rows, said = LastRows(workers), []
        # The chief alone would find nothing.
        rows.add(good.slice(0, 100) if workers.is_chief else bad)
        for step in (49, 50, 50, 60):
            said.append([text.split()[9] for text in rows.look(step, tasks, Scorer())])
        return said

    for said in together(2, work):
        assert said == [[], ['"ctr"'], [], []]


class OfChief(Peers):
    """A worker whose chief says something that it does not find itself."""

    def share(self, value):
        return [["the chief's"], value] if isinstance(value, list) else [value]


def test_the_chief_decides_what_is_said(tasks):
    rows = LastRows(OfChief())
    rows.add(batch(40))
    assert [list(rows.look(step, tasks, Scorer())) for step in (50, 60)] == [["the chief's"], []]


def swapped(folder, *overrides):
    """Returns what a training told whose later rows have the opposite labels, which it is too slow to learn."""
    write_rows(folder / "rows.csv", 3200, seed=1)
    lines = (folder / "rows.csv").read_text().splitlines()
    late = [f"{1 - int(line[0])}{line[1:]}" for line in lines[1600:]]
    (folder / "train.csv").write_text("\n".join(lines[:1600] + late) + "\n")
    write_rows(folder / "eval.csv", 400, seed=2)
    path = folder / "small.config"
    rates = "exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 50 decay_factor: 0.000001 }"
    text = CONFIG.replace(
        "constant_learning_rate {{ learning_rate: 0.01 }}", rates.replace("{", "{{").replace("}", "}}")
    )
    path.write_text(text.format(folder=folder))
    sets = ["train_config.num_steps=100", "train_config.save_checkpoints_steps=100", "data_config.shuffle=false"]
    told: list[events.Event] = []
    Trainer(load_config(str(path), [*sets, *overrides]), told.append).run()
    return [note.text for note in of_kind(told, events.Note) if "worse than chance" in note.text]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [(), ('eval_input_path=""',)])
def test_a_training_says_once_that_its_own_rows_are_ordered_wrongly(tmp_path, monkeypatch, overrides):
    monkeypatch.setattr(last_rows, "MOST_ROWS", 1600)
    (text,) = swapped(tmp_path, *overrides)
    assert text.startswith('Hint: at step 100 the AUC of the tower "ctr" is 0.')
    assert "on the last 1,600 rows" in text and "learning rate" in text and "swapped" in text


@pytest.mark.slow
def test_a_training_that_learns_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(last_rows, "MOST_ROWS", 10_000)
    write_rows(tmp_path / "train.csv", 3200, seed=1)
    write_rows(tmp_path / "eval.csv", 400, seed=2)
    told: list[events.Event] = []
    sets = ("train_config.num_steps=100", "train_config.save_checkpoints_steps=50")
    Trainer(small_config(tmp_path, *sets), told.append).run()
    assert len(of_kind(told, events.Evaluated)) == 2
    assert not [note.text for note in of_kind(told, events.Note) if "worse than chance" in note.text]
