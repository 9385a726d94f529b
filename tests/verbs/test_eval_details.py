"""`easymtl eval --by` and `--errors`, as a user gives them."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from tests.verbs.conftest import Project

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def wider(project: Project):
    """Evaluation data with a column that the config does not declare."""
    table = pq.read_table(project.eval_data)
    path = project.folder / "wider.parquet"
    pq.write_table(table.append_column("price", [np.linspace(0, 1, len(table))]), path)
    return path


@pytest.mark.slow
def test_segments_are_printed_and_kept_beside_the_result(project, capsys):
    assert project("eval", "--by", "network,hour") == 0
    out = capsys.readouterr().out
    assert "auc_is_click by network" in out and "auc_is_click by hour" in out
    flat = json.loads((project.folder / "model_dir" / "eval_result.json").read_text())
    assert not any(isinstance(value, (list, dict)) for value in flat.values())
    segments = json.loads((project.folder / "model_dir" / "eval_result_segments.json").read_text())
    own = [one for one in segments if one["column"] == "network" and one["result"] == "auc_is_click"]
    assert sum(one["rows"] for one in own) == 150 and {one["task"] for one in own} == {"is_click"}

    scores = project.scores("of_rows", "--keep", "network,is_click").to_pandas()
    for one in own:
        value = None if one["value"] == "(missing)" else one["value"]
        rows = scores[scores.network.isna() if value is None else scores.network == value]
        if rows.is_click.nunique() == 2:
            assert one["estimate"] == pytest.approx(roc_auc_score(rows.is_click > 0, rows.probs_is_click), abs=1e-6)
            assert one["mean_score"] == pytest.approx(rows.probs_is_click.mean(), abs=1e-5)


@pytest.mark.slow
def test_columns_that_only_the_file_has(project, wider, tmp_path, capsys):
    target = tmp_path / "r.json"
    assert project("eval", "--by", "price", "--input", wider, "--output", target) == 0
    segments = json.loads((tmp_path / "r_segments.json").read_text())
    own = [one for one in segments if one["result"] == "auc_is_click"]
    assert [one["rows"] for one in own] == [15] * 10 and own[0]["value"] == "0 to <0.1007"
    capsys.readouterr()
    assert project("eval", "--by", "prices", "--input", wider) == 2
    said = capsys.readouterr().err
    assert '--by: "prices" is neither in data_config.input_fields nor' in said and 'Did you mean "price"?' in said


@pytest.mark.slow
@pytest.mark.parametrize("way", ["checkpoint", "SavedModel"])
def test_the_rows_with_the_largest_losses(project, way, capsys):
    flags = ["--saved_model", project.exports[-1]] if way == "SavedModel" else []
    target = project.folder / f"{way}.parquet"
    assert project("eval", "--errors", 7, "--errors_output", target, *flags) == 0
    assert f"Wrote {target}" in capsys.readouterr().out
    found = pq.read_table(target).to_pandas()
    raw = pq.read_table(project.eval_data).to_pandas()
    scores = project.scores("of_errors").to_pandas()
    assert list(found.columns[:6]) == ["task", "rank", "row", "label", "score", "loss"]
    assert {*raw.columns} <= {*found.columns}
    clicks = (raw.is_click > 0).to_numpy()
    losses = -np.log(np.where(clicks, scores.probs_is_click, 1 - scores.probs_is_click))
    own = found[found.task == "is_click"]
    assert own["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert own.loss.tolist() == pytest.approx(np.sort(losses)[::-1][:7], abs=1e-4)
    assert losses[own.row] == pytest.approx(own.loss, abs=1e-4)
    assert raw.user_id.iloc[own.row].fillna("").tolist() == own.user_id.fillna("").tolist()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--errors", 0], "--errors: 0 is too small"),
        (["--errors_output", "x.parquet"], "Add it: --errors 100"),
        (["--errors", 3, "--errors_output", "x.csv"], 'has to end in ".parquet"'),
        (["--by", ","], "--by names no column"),
    ],
)
def test_what_is_refused_before_anything_is_read(untrained, flags, says, capsys):
    assert untrained("eval", *flags) == 2
    assert says in capsys.readouterr().err


def test_errors_are_never_written_over_data(untrained, capsys):
    assert untrained("eval", "--errors", 3, "--errors_output", untrained.eval_data) == 2
    assert "it would be overwritten" in capsys.readouterr().err
