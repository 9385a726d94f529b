"""A tower's own `feature_group` from the config to the scores: it reaches that tower and no other."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.proof_process import ProofProcess
from tests.errors.project import CONFIG, Project, replaced, rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]

OWN = replaced(
    CONFIG,
    ('export_config { exporter_type: "none" }\n', ""),
    ('feature_names: ["user", "tags", "price"] }', 'feature_names: ["user", "price"] }\n  %s'),
    ('tower_name: "cvr"', 'tower_name: "cvr" feature_group: "tags_too"'),
    ('relation_tower_names: "ctr"', ""),
)
GROUP = 'feature_groups { group_name: "tags_too" feature_names: "tags" }'
MODELS = {
    "dbmtl": (),
    "mmoe": (("dbmtl {", "mmoe { num_expert: 2"), ("bottom_dnn", "expert_dnn")),
    "simple_multi_task": (("dbmtl {", "simple_multi_task {"), ("    bottom_dnn { hidden_units: [8, 6] }\n", "")),
}


def scores(project: Project, name: str, *flags: str):
    command = f"predict --pipeline_config x.config --input {name}.csv --output {name}.parquet {' '.join(flags)}"
    outcome = project.run(command)
    assert outcome.code == 0, outcome.message
    return pq.read_table(project.folder / f"{name}.parquet")


@pytest.fixture(scope="module", params=MODELS)
def project(request, tmp_path_factory):
    made = Project(tmp_path_factory.mktemp(request.param), replaced(OWN % GROUP, *MODELS[request.param]))
    made.write("other_tags.csv", rows(12).replace("a", "z"))
    with pytest.MonkeyPatch.context() as patch:
        # The proof in a process of its own costs seconds, and is tested in tests/serving.
        patch.setattr(exporting, "check_parity", lambda *_: Parity(0, 0.0))
        patch.setattr(ProofProcess, "ahead", lambda: None)
        outcome = made.run("train --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    return made


def test_only_its_tower_reads_it(project):
    before, after = scores(project, "eval"), scores(project, "other_tags")
    assert not np.allclose(before["logits_cvr"], after["logits_cvr"])
    for name in ("logits_ctr", "y_stay"):
        np.testing.assert_array_equal(before[name], after[name])


def test_the_savedmodel_reads_it_too(project):
    (folder,) = (project.folder / "model" / "export" / "final").glob("[0-9]*")
    before = scores(project, "other_tags")
    by_model = scores(project, "other_tags", f"--saved_model {folder}")
    np.testing.assert_allclose(before["logits_cvr"], by_model["logits_cvr"], rtol=1e-5, atol=1e-6)


def test_check_shows_the_tables_of_the_group(project):
    out = project.run("check --pipeline_config x.config --network").out
    assert "tags_too/tags" in out
    assert "all/tags" not in out
