"""docs/config.md says what the protos say."""

import re
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools")

from easymtl.config import reference

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "config.md"


@pytest.fixture(scope="module")
def text():
    return reference.reference()


def test_the_document_is_current(text):
    command = "python -m easymtl.config.reference --out docs/config.md"
    assert DOCUMENT.read_text(encoding="utf-8") == text, f"docs/config.md is stale: run {command}"


def test_check_fails_for_a_stale_or_missing_document_and_writes_nothing(tmp_path, capsys):
    document = tmp_path / "config.md"
    assert reference.main(["--out", str(document), "--check"]) == 1
    assert not document.exists()
    document.write_text("old", encoding="utf-8")
    assert reference.main(["--out", str(document), "--check"]) == 1
    assert document.read_text(encoding="utf-8") == "old"
    assert f"--out {document}" in capsys.readouterr().err


def test_what_was_written_is_current(tmp_path):
    document = tmp_path / "config.md"
    assert reference.main(["--out", str(document)]) == 0
    assert reference.main(["--out", str(document), "--check"]) == 0


def test_every_message_has_a_section_and_links_lead_to_one(text):
    sections = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}
    names = {message.full_name.removeprefix("easymtl.") for message in reference.reachable()}
    assert names <= sections
    anchors = {name.lower().replace(".", "") for name in sections}
    assert {part.partition(")")[0] for part in text.split("](#")[1:]} <= anchors


def test_tables_have_as_many_cells_as_columns(text):
    width = 0
    for line in text.splitlines():
        if not line.startswith("| "):
            continue
        cells = line.replace("\\|", "").count("|") - 1
        width = cells if line.startswith(("| Field |", "| Value |")) else width
        assert cells == width, line


def test_a_row_holds_type_default_meaning_and_notes(text):
    rows, section = {}, ""
    for line in text.splitlines():
        section = line.removeprefix("## ") if line.startswith("## ") else section
        if line.startswith("| `"):
            rows[f"{section}.{line.split('`')[1]}"] = line
    assert "| uint32 | `32` |" in rows["DatasetConfig.batch_size"]
    assert "**ignored**: " in rows["TrainConfig.sync_replicas"]
    assert "**refused**: " in rows["Pipeline.fg_json_path"]
    assert "| [DNN](#dnn) |" in rows["MMoE.expert_dnn"]
    assert "| list of [TaskTower](#tasktower) |" in rows["DBMTL.task_towers"]
    assert "[DBMTL](#dbmtl), one of `model`" in rows["ModelConfig.dbmtl"]
    assert "`sum` `mean` `sqrtn` `max` `min` |" in rows["FeatureConfig.combiner"]
    assert "`1e-06`" in rows["AdamWOptimizer.weight_decay"]
    assert "\\|label - prediction\\|" in rows["EvalMetrics.mean_absolute_error"]
    assert "**later**: " in rows["TrainConfig.MixedPrecision.FLOAT16"]


def test_every_message_that_is_read_has_an_example_of_a_sample_config(text):
    from easymtl.config.reference_examples import examples

    shown = {message.name for message in examples()}
    read = {message.name for message, standing in reference.reachable().items() if standing == "implemented"}
    assert read - shown <= {"Pipeline"}
    section = text.partition("\n## MMoE\n")[2].partition("\n## ")[0]
    assert re.search(r"For example, in \[(samples/\w+/\w+\.config)\]\(\.\./\1\):\n\n```protobuf\nmmoe \{\n", section)


def test_an_example_is_one_line_or_a_line_for_each_field():
    from google.protobuf import text_format

    from easymtl.config.reference_examples import written
    from easymtl.protos.model_pb2 import MMoE

    model = text_format.Parse("num_expert: 4 gate_dnn {} expert_dnn { hidden_units: [8, 4] }", MMoE())
    assert written("mmoe", model) == "mmoe { expert_dnn { hidden_units: [8, 4] } num_expert: 4 gate_dnn { } }"
    model.task_towers.add(tower_name="a" * 200)
    model.task_towers.add(tower_name="b")
    assert written("mmoe", model).splitlines() == [
        "mmoe {",
        "  expert_dnn { hidden_units: [8, 4] }",
        "  num_expert: 4",
        "  task_towers { ... }  # and 1 more",
        "  gate_dnn {}",
        "}",
    ]
