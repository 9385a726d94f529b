import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.synth import best_reachable, read_batches, write
from easymtl.synth.data_set import BLOCK_ROWS
from easymtl.synth.mmoe_paper import COSINES, MMoEPaper, MMoEPaperBlocks, Waves


def waves(seed=3):
    return MMoEPaperBlocks(seed).waves


@pytest.fixture(scope="module")
def table():
    return pa.Table.from_batches(read_batches("mmoe_paper", BLOCK_ROWS, seed=3))


def inputs(table):
    return np.stack([table[f"x{place}"].to_numpy() for place in range(1, 101)], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_directions_are_unit_vectors_with_the_declared_cosines(seed):
    directions = waves(seed).directions
    assert set(directions) == {"y1", *COSINES}
    for label, direction in directions.items():
        assert direction @ direction == pytest.approx(1), label
    for label, cosine in COSINES.items():
        assert directions["y1"] @ directions[label] == pytest.approx(cosine), label


def test_the_truth_is_the_formula_of_the_paper(table):
    x, drawn = inputs(table).astype(np.float64), waves()
    for label, direction in drawn.directions.items():
        expected = np.zeros(len(x))
        along = sum(direction[place] * x[:, place] for place in range(100))
        expected += along
        for alpha, beta in zip(drawn.alpha, drawn.beta, strict=True):
            expected += np.sin(alpha * along + beta)
        np.testing.assert_allclose(table["true_" + label], expected, rtol=1e-4, atol=1e-5)


def test_noise_is_normal_and_of_its_own_for_each_label(table):
    noises = np.stack([table[label].to_numpy() - table["true_" + label].to_numpy() for label in ("y1", *COSINES)])
    np.testing.assert_allclose(noises.mean(axis=1), 0, atol=0.002)
    np.testing.assert_allclose(noises.std(axis=1), 0.1, rtol=0.02)
    np.testing.assert_allclose((noises**4).mean(axis=1) / 0.1**4, 3, rtol=0.1)
    np.testing.assert_allclose(np.corrcoef(noises), np.eye(4), atol=0.02)


def test_inputs_are_standard_normal_and_independent(table):
    x = inputs(table)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), np.eye(100), atol=0.03)


def test_at_cosine_one_the_tasks_differ_by_noise_alone(table):
    np.testing.assert_allclose(table["true_y1"], table["true_y2_p100"], atol=1e-5)
    correlations = [np.corrcoef(table["true_y1"], table["true_" + label])[0, 1] for label in COSINES]
    assert correlations == sorted(correlations)


def test_waves_are_drawn_from_a_standard_normal():
    drawn = [Waves.draw(np.random.default_rng(seed)) for seed in range(500)]
    values = np.stack([np.concatenate([one.alpha, one.beta]) for one in drawn])
    assert values.shape == (500, 8)
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert values.std() == pytest.approx(1, abs=0.05)


def test_a_seed_gives_the_same_rows_and_another_one_others():
    first, again, other = (next(read_batches("mmoe_paper", 100, seed=seed)) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert not np.allclose(waves(1).alpha, waves(2).alpha)


def test_evaluation_has_the_same_task_and_other_rows(table):
    evaluation = next(read_batches("mmoe_paper", 1_000, seed=3, part="eval"))
    assert not np.isin(evaluation["x1"].to_numpy(), table["x1"].to_numpy()[:1_000]).any()
    x = np.stack([evaluation[f"x{place}"].to_numpy() for place in range(1, 101)], axis=1)
    np.testing.assert_allclose(evaluation["true_y1"], waves().mean("y1", x), rtol=1e-4, atol=1e-5)


def test_the_file_tells_what_is_reachable(tmp_path):
    path = write("mmoe_paper", 100, out=tmp_path, eval_rows=20_000)["eval"]
    rows = pq.read_table(path)
    assert rows.schema.names[:5] == ["y1", *COSINES, "x1"]
    assert MMoEPaper.format == "parquet"
    for label in ("y1", *COSINES):
        assert best_reachable(rows)[f"mean_squared_error_{label}"] == pytest.approx(0.01, rel=0.05)
