"""Columns with any name: checked, trained, saved, exported, scored, with every command."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_encoding

from tests.errors.project import Project

pytestmark = pytest.mark.usefixtures("op_by_op")

TEXTS = [
    "UserId", "uid", "UID", "user id", "用户", "用户 id", "self", "item.id", "item/id", "item", "1st", "_x", "class",
    "it's", 'a"b', "a,b", "a\tb", "🙂", "x" * 300, "keep_user", "ids_4", "numbers", "batch_size", "..", "a:0",
    "%s", "{x}", "a\nb",
]  # fmt: skip
NUMBERS = ["Price", "price", "I1", "input_0", "probs_Ctr", "dense"]
NAMES = [*TEXTS, *NUMBERS]


def quoted(name):
    return f'"{text_encoding.CEscape(name, as_utf8=True)}"'


def config() -> str:
    names = ", ".join(quoted(name) for name in NAMES)
    fields = [f"input_fields {{ input_name: {quoted(name)} }}" for name in TEXTS]
    fields += [f'input_fields {{ input_name: {quoted(name)} input_type: FLOAT default_val: "2" }}' for name in NUMBERS]
    features = [
        f"features {{ input_names: {quoted(name)} feature_type: IdFeature hash_bucket_size: 20 embedding_dim: 4 }}"
        for name in TEXTS
    ]
    features += [f"features {{ input_names: {quoted(name)} feature_type: RawFeature }}" for name in NUMBERS]
    towers = [
        f'task_towers {{ tower_name: "{name}" label_name: "is click" dnn {{ hidden_units: [4] }} '
        "metrics_set { auc {} } }"
        for name in ("ctr", "Ctr", "CTR", "_ctr", "1")
    ]
    return f"""
train_input_path: "rows.parquet"
eval_input_path: "rows.parquet"
model_dir: "model"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.05 }} }} }} }}
  num_steps: 3
}}
export_config {{ exporter_type: "none" }}
data_config {{
  batch_size: 32
  with_header: true
  label_fields: "is click"
  input_fields {{ input_name: "is click" input_type: INT32 }}
  {" ".join(fields)}
}}
feature_config {{ {" ".join(features)} }}
model_config {{
  feature_groups {{ group_name: "all" feature_names: [{names}] }}
  mmoe {{ num_expert: 2 expert_dnn {{ hidden_units: [6] }} {" ".join(towers)} }}
}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("names"), config())
    random = np.random.default_rng(3)
    columns = {name: random.choice(["a", "b", "c", None], 60).tolist() for name in TEXTS}
    columns |= {name: pa.array(random.random(60).astype(np.float32)) for name in NUMBERS}
    table = pa.table({"is click": pa.array(random.integers(0, 2, 60), pa.int32()), **columns})
    pq.write_table(table, project.folder / "rows.parquet")
    pyarrow.csv.write_csv(table, project.folder / "rows.csv")
    return project


def run(project, command):
    outcome = project.run(command)
    assert outcome.code in (0, None), outcome.message
    return outcome


@pytest.mark.slow
def test_every_command_takes_any_name(project):
    run(project, "check --pipeline_config x.config")
    run(project, "train --pipeline_config x.config")
    assert "equal on 60 rows" in run(project, "export --pipeline_config x.config").out
    (folder,) = (project.folder / "model" / "export" / "final").glob("[0-9]*")
    description = json.loads((folder / "assets.extra" / "easymtl.json").read_text(encoding="utf-8"))
    assert set(description["inputs"]) == set(NAMES)
    assert set(description["outputs"]) == {
        f"{kind}_{tower}" for kind in ("probs", "logits") for tower in ("ctr", "Ctr", "CTR", "_ctr", "1")
    }
    scores = {}
    for source in ("rows.parquet", "rows.csv"):
        csv = " --set data_config.input_type=CSVInput" if source.endswith("csv") else ""
        for model in ("", f" --saved_model {folder}"):
            run(project, f"predict --pipeline_config x.config --input {source} --output out.parquet{csv}{model}")
            scores[source, model] = pq.read_table(project.folder / "out.parquet")
    first = scores.popitem()[1]
    assert len(set(first.column_names)) == 10
    assert len({tuple(first[f"probs_{tower}"].to_pylist()) for tower in ("ctr", "Ctr", "CTR", "_ctr", "1")}) == 5
    for other in scores.values():
        for name in first.column_names:
            np.testing.assert_allclose(other[name], first[name], atol=1e-5)
    run(project, "train --pipeline_config x.config --set train_config.num_steps=4")
    run(project, "eval --pipeline_config x.config")
