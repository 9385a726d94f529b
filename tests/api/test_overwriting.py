"""No command writes over what it reads: each is refused before anything is made, and all files are as they were."""

import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.api.open_model import OpenModel
from easymtl.api.overwriting import require_writable
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.synth import write
from tests.errors.project import CONFIG, FOLDER, Project

WITH_FILES = CONFIG.replace('exporter_type: "none"', 'exporter_type: "none" asset_files: "notes.txt"').replace(
    'input_names: "user" feature_type: IdFeature hash_bucket_size: 50',
    'input_names: "user" feature_type: IdFeature vocab_file: "users.txt"',
)


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "p", WITH_FILES)
    project.write("users.txt", "u1\nu2\n")
    project.write("notes.txt", "a note\n")
    project.write("model/checkpoints/step-000000002/state.json", "{}")
    project.write("model/eval_result.json", "{}")
    project.write("rows.parquet", b"PAR1")
    (project.folder / "link.parquet").symlink_to("rows.parquet")
    os.link(project.folder / "rows.parquet", project.folder / "hard.parquet")
    return project


def contents(project) -> dict:
    return {path: path.read_bytes() for path in sorted(project.folder.rglob("*")) if path.is_file()}


PREDICT = "predict --pipeline_config x.config --input {} --output {}"
EVAL = "eval --pipeline_config x.config --output {}"
TRAIN = "train --pipeline_config x.config --set {}"


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (PREDICT.format("rows.parquet", "rows.parquet"), "rows.parquet, which --input reads"),
        (PREDICT.format("rows.parquet", "./model/../rows.parquet"), "rows.parquet, which --input reads"),
        (PREDICT.format("rows.parquet", "link.parquet"), "rows.parquet, which --input reads"),
        (PREDICT.format("link.parquet", "rows.parquet"), "link.parquet, which --input reads"),
        (PREDICT.format("rows.parquet", "hard.parquet"), "rows.parquet, which --input reads"),
        (PREDICT.format("*.parquet", "scores.parquet"), '"*.parquet", of which --input reads all files'),
        (
            PREDICT.format("train.csv", "rows.parquet") + " --set train_input_path=rows.parquet",
            "train_input_path reads",
        ),
        (PREDICT.format("train.csv", "new.parquet") + " --set eval_input_path=*.parquet", "eval_input_path reads all"),
        (PREDICT.format("train.csv", "model/checkpoints/step-000000002"), "which a model is read from"),
        (PREDICT.format("s3://b/rows.parquet", "s3://b/rows.parquet"), "s3://b/rows.parquet, which --input reads"),
        (EVAL.format("eval.csv"), "eval.csv, which eval_input_path reads"),
        (EVAL.format("train.csv"), "train.csv, which train_input_path reads"),
        (EVAL.format("x.config"), "the file --pipeline_config x.config"),
        (EVAL.format("users.txt"), 'the file vocab_file of "user" users.txt'),
        (EVAL.format("notes.txt"), 'the file asset_files "notes.txt" notes.txt'),
        (EVAL.format("model/checkpoints/step-000000002/state.json"), "which a model is read from"),
        (TRAIN.format("train_input_path=data --set model_dir=data"), '"data", of which train_input_path reads all'),
        (
            TRAIN.format("train_input_path=data --set model_dir=data/model"),
            '"data", of which train_input_path reads all',
        ),
        (TRAIN.format("eval_input_path=data/* --set model_dir=data/model"), '"data/*", of which eval_input_path reads'),
        (TRAIN.format("eval_input_path=model/eval_result.json"), "model/eval_result.json, which eval_input_path reads"),
        (TRAIN.format("eval_input_path=model/checkpoints/step-000000002/state.json"), "writes and removes files"),
        (
            "export --pipeline_config x.config --export_dir data --set train_input_path=data",
            "train_input_path reads all",
        ),
        ("export --pipeline_config x.config --export_dir model/checkpoints", "which a model is read from"),
        (
            "import-checkpoint --pipeline_config x.config --from x --set model_dir=data --set train_input_path=data",
            "data",
        ),
    ],
)
def test_a_target_that_is_read_is_refused(project, command, named):
    project.write("data/part.csv", (project.folder / "train.csv").read_text())
    before = contents(project)
    found = project.run(command)
    assert found.code == 2, found.out
    assert named in found.message
    assert contents(project) == before


@pytest.mark.parametrize(
    "command",
    [
        "train --pipeline_config x.config --set train_input_path=data",
        "predict --pipeline_config x.config --input data --output new.parquet",
    ],
)
def test_lines_of_workers_do_not_go_among_their_rows(project, command):
    project.write("data/part.csv", (project.folder / "train.csv").read_text())
    before = contents(project)
    found = project.run(f"launch --workers 2 --log_dir data -- {command}")
    assert found.code == 2, found.out
    assert '--log_dir data/worker-0.log lies in "data", of which ' in found.message
    assert contents(project) == before


@pytest.mark.parametrize(
    ("paths", "output", "named"),
    [
        ("rows.parquet", "link.parquet", "rows.parquet, which paths reads"),
        ("rows.parquet", "train.csv", "train.csv, which train_input_path reads"),
        ("rows.parquet", "model/checkpoints/step-000000002/state.json", "which a model is read from"),
    ],
)
def test_scores_of_an_open_model_replace_nothing_that_it_reads(project, monkeypatch, paths, output, named):
    monkeypatch.chdir(project.folder)
    source = Path("model/checkpoints/step-000000002")
    model = OpenModel(load_config("x.config"), scorer=None, source=source, step=2)
    before = contents(project)
    with pytest.raises(UserError, match=re.escape(named)):
        model.write_scores(paths, output)
    assert contents(project) == before


def test_a_vocabulary_in_a_folder_that_training_keeps_in_order_is_refused(project):
    project.write("model/summaries/users.txt", "u1\nu2\n")
    change = ("--set", "feature_config.features[0].vocab_file=model/summaries/users.txt")
    found = project.run("train --pipeline_config x.config " + " ".join(change))
    assert found.code == 2 and "Copy it to another folder" in found.message


def test_a_config_is_not_replaced_by_its_resolved_text(project):
    project.write("model/pipeline.config", "# mine\n" + (project.folder / "x.config").read_text())
    before = contents(project)
    found = project.run("train --pipeline_config model/pipeline.config")
    assert found.code == 2 and "comments would be lost" in found.message and FOLDER not in found.message
    assert contents(project) == before


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_synth_replaces_its_own_files_and_no_others(tmp_path, format):
    for _ in range(2):
        write("funnel", 20, out=tmp_path, format=format)
    mine = tmp_path / f"eval.{format}"
    if format == "parquet":
        pq.write_table(pa.table({"my_user": ["u"]}), mine)
    else:
        mine.write_text("1,u\n")
    before = mine.read_bytes(), (tmp_path / f"train.{format}").read_bytes()
    with pytest.raises(UserError, match=rf"eval.{format} is there and holds other data.*--out"):
        write("funnel", 30, out=tmp_path, format=format)
    assert before == (mine.read_bytes(), (tmp_path / f"train.{format}").read_bytes())


def test_a_place_that_takes_no_file_is_told_of_and_a_folder_is_not_made_for_asking(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"^--output {tmp_path}/file/r.json: cannot be written: {tmp_path}/file takes"):
        require_writable("--output", tmp_path / "file" / "r.json")
    require_writable("--output", tmp_path / "new" / "folder" / "r.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
