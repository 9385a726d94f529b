"""A list column of Parquet for a TagFeature: it trains, and every way to score it gives the same scores."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

NAME = "list-column-of-tags"
WEIGHTS = """
  features { input_names: ["tags", "weights"] feature_name: "weighted" feature_type: TagFeature hash_bucket_size: 50
    embedding_dim: 4 }
  features { input_names: "vector" feature_type: RawFeature raw_input_dim: 2 }
"""


def test_check_reads_it(report):
    assert report(NAME).run("check --pipeline_config x.config").code == 0


@pytest.mark.usefixtures("score_here")
@pytest.mark.slow
def test_lists_and_the_same_rows_as_text_train_and_score_alike(report):
    project = report(NAME)
    table = pq.read_table(project.folder / "train.parquet")
    tags = table["tags"].to_pylist()
    tags[:6] = [["t1", None, "t2"], [], [None], ["", "t3"], ["t4"], None]
    weights = [None if one is None else [0.5 + place for place in range(len(one))] for one in tags]
    vector = [[row / 7, None] if row % 3 else None for row in range(len(table))]
    lists = table.drop_columns("tags")
    for name, values, items in (("tags", tags, pa.string()), ("weights", weights, pa.float32())):
        lists = lists.append_column(name, pa.array(values, pa.large_list(items)))
    lists = lists.append_column("vector", pa.array(vector, pa.list_(pa.float32(), 2)))
    extra = [[row, None] for row in range(len(table))]
    lists = lists.append_column("extra", pa.array(extra, pa.list_(pa.int64())))
    pq.write_table(lists, project.folder / "train.parquet")
    project.replace(
        "x.config",
        ("model_config {", f"feature_config {{ {WEIGHTS} }}\nmodel_config {{"),
        ('feature_names: ["user", ', 'feature_names: ["weighted", "vector", "user", '),
        (
            'input_fields { input_name: "tags"',
            "".join(f'input_fields {{ input_name: "{name}" }} ' for name in ("vector", "extra", "weights"))
            + 'input_fields { input_name: "tags"',
        ),
    )
    outcome = project.run("train --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    outcome = project.run("export --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    assert "equal on 120 rows" in outcome.out

    def paired(row):
        return [(tag, weight) for tag, weight in zip(tags[row] or [], weights[row] or []) if tag]

    texts = {
        "tags": ["|".join(tag for tag, _ in paired(row)) for row in range(len(table))],
        "weights": ["|".join(str(weight) for _, weight in paired(row)) for row in range(len(table))],
        "vector": ["|".join("" if one is None else str(np.float32(one)) for one in row or []) for row in vector],
    }
    sent = lists.drop_columns(list(texts))
    for name, values in texts.items():
        sent = sent.append_column(name, pa.array(values))
    pq.write_table(sent, project.folder / "text.parquet")
    scores = []
    for name in ("train", "text"):
        for place, way in enumerate(("", " --saved_model model/export/final")):
            output = f"{name}-{place}.parquet"
            files = f"--input {name}.parquet --output {output}"
            outcome = project.run(f"predict --pipeline_config x.config {files} --keep tags,extra{way}")
            assert outcome.code == 0, outcome.message
            scores.append(pq.read_table(project.folder / output))
    assert all(one["extra"].to_pylist() == extra for one in scores)
    by_checkpoint, by_model, text_by_checkpoint, text_by_model = scores
    for column in ("probs_ctr", "probs_cvr"):
        np.testing.assert_array_equal(text_by_checkpoint[column], by_checkpoint[column])
        np.testing.assert_array_equal(text_by_model[column], by_model[column])
        # Norms are folded in an export: each of the two is up to 1.4e-6 from what float64 makes of the weights.
        np.testing.assert_allclose(by_model[column], by_checkpoint[column], rtol=3e-6)
