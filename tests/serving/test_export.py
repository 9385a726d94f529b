import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console

from easymtl.checkpoints.restore import load_ranker
from easymtl.checkpoints.tables_on_disk import TablesOnDisk
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.reporting.exports import print_export
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving import export as exporting
from easymtl.serving import saved_model, signatures
from easymtl.serving.export import export
from easymtl.serving.parity import score_apart
from easymtl.serving.proof_rows import proof_rows
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model_scorer import SavedModelScorer, newest_export, step_of_export
from easymtl.serving.warmup import default_requests, write_warmup
from easymtl.tasks.build import build_tasks

pytestmark = [pytest.mark.usefixtures("op_by_op"), pytest.mark.threads]

TYPES = {"string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "float32": pa.float32()}
TYPES |= {"float64": pa.float64(), "bool": pa.bool_()}


@pytest.fixture
def quick(trained, exported, monkeypatch):
    """An export of the trained model takes no time: what it writes is a copy of one that is there.

    For tests of folders and files around the SavedModel.
    """
    pipeline = trained.pipeline()
    ranker = load_ranker(pipeline, trained.checkpoint)
    signature = signatures.Signature(lambda columns: {}, {name: tf.TensorSpec([None]) for name in exported.inputs})
    form, functions = RequestForm.of(pipeline, exported.inputs), {signatures.SIGNATURE: signature}
    model = SimpleNamespace(
        fields=list(exported.inputs),
        form=form,
        signatures=lambda: functions,
        sizes=exported.sizes,
        convertible=None,
        write_tables=None,
    )
    rows = proof_rows(pipeline, model.fields, Encoder(ranker.feature_set))

    def save(model, draft, functions, complete):
        shutil.copytree(exported.path, draft)
        shutil.rmtree(draft / "assets.extra")
        return {signatures.SIGNATURE: exported.outputs}

    monkeypatch.setattr(exporting, "load_ranker", lambda *_, **__: ranker)
    monkeypatch.setattr(exporting, "ServingModel", lambda *_, **__: model)
    monkeypatch.setattr(exporting, "save", save)
    monkeypatch.setattr(exporting, "proof_rows", lambda *_: rows)
    monkeypatch.setattr(exporting, "expected_outputs", lambda *_: ({}, {}))
    monkeypatch.setattr(exporting, "check_parity", lambda *_: exported.parity)
    monkeypatch.setattr(exporting, "placements_of", lambda *_: exported.placement)


def scores_of(table):
    names = [name for name in table.column_names if name.startswith(("probs_", "logits_", "y_"))]
    return {name: np.array(table[name].to_pylist()) for name in names}


def assert_same_scores(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_export_tells_what_it_published(trained, exported):
    assert exported.path.name.isdigit()
    assert exported.parity.num_rows == 100, "the first row group is compared"
    assert exported.parity.largest_difference < 1e-5
    assert exported.inputs == {
        "user": "string",
        "city": "string",
        "level": "int32",
        "tags": "string",
        "price": "float32",
        "age": "float64",
    }
    assert {"probs_click", "logits_click", "probs_kind", "logits_kind", "y_kind", "y_seconds"} <= {*exported.outputs}
    assert {*exported.placement} == {"serving_default", "encoded"}
    assert not any(one.without_kernel for one in exported.placement.values())
    assert step_of_export(exported.path) == trained.checkpoint.step == 4


def test_one_input_of_any_length_per_used_field_under_its_own_name(exported):
    signature = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    specs = signature.structured_input_signature[1].values()
    assert {spec.name: spec.dtype.name for spec in specs} == exported.inputs
    assert all(spec.shape.as_list() == [None] for spec in specs)
    assert sorted(signature.structured_outputs) == exported.outputs


def test_a_request_with_one_value_instead_of_a_column_is_told_which(exported):
    model = tf.saved_model.load(str(exported.path))
    whole = {
        name: tf.zeros([3], kind) if kind != "string" else tf.fill([3], "") for name, kind in exported.inputs.items()
    }
    for name in exported.inputs:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"different numbers of rows: {name} scalar, "):
            model.signatures["serving_default"](**{**whole, name: whole[name][0]})


def test_scores_of_checkpoint_and_savedmodel_are_one_in_the_order_of_the_rows(trained, exported, tmp_path):
    pipeline = trained.pipeline()
    paths = str(trained.folder / "rows.parquet")
    by_checkpoint = RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32)
    by_model = SavedModelScorer(exported.path, pipeline)
    first, num_rows = predict(pipeline, by_checkpoint, paths, tmp_path / "a.parquet", ["row", "user"])
    second, _ = predict(pipeline, by_model, paths, tmp_path / "b.parquet", ["row", "user"])
    assert num_rows == len(trained.rows)
    left, right = pq.read_table(first), pq.read_table(second)
    assert left.select(["row", "user"]) == right.select(["row", "user"]) == trained.rows.select(["row", "user"])
    assert_same_scores(scores_of(left), scores_of(right))


def test_moved_to_a_machine_without_easymtl_and_without_the_vocabulary_file(trained, exported, tmp_path):
    pipeline = trained.pipeline()
    moved = shutil.copytree(exported.path, tmp_path / "moved")
    ranker = load_ranker(pipeline, trained.checkpoint)
    rows = proof_rows(pipeline, list(exported.inputs), Encoder(ranker.feature_set))
    vocabulary = trained.folder / "cities.txt"
    hidden = vocabulary.rename(vocabulary.with_suffix(".hidden"))
    try:
        apart = {name: scores[: rows.num_rows] for name, scores in score_apart(moved, rows.sent).items()}
    finally:
        hidden.rename(vocabulary)
    scorer = RankerScorer(ranker, tf.float32)
    paths = str(trained.folder / "rows.parquet")
    expected = scores_of(pq.read_table(predict(pipeline, scorer, paths, tmp_path / "a.parquet", [])[0]))
    assert_same_scores(apart, {name: values[: len(apart[name])] for name, values in expected.items()})
    assert np.ptp(apart["probs_click"]) > 1e-3, "rows differ"
    np.testing.assert_allclose(apart["probs_kind"].sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(apart["y_kind"], apart["probs_kind"].argmax(axis=1))


def test_parquet_and_csv_of_the_same_rows_score_alike(trained, exported, tmp_path):
    csv = trained.pipeline("data_config.input_type=CSVInput", "data_config.with_header=true")
    scorer = SavedModelScorer(exported.path, csv)
    first, _ = predict(csv, scorer, str(trained.folder / "rows.csv"), tmp_path / "csv", [])
    second, _ = predict(trained.pipeline(), scorer, str(trained.folder / "rows.parquet"), tmp_path / "parquet", [])
    assert first == str(tmp_path / "csv" / "scores.parquet")
    assert_same_scores(scores_of(pq.read_table(first)), scores_of(pq.read_table(second)))


def test_metrics_of_savedmodel_and_checkpoint_are_the_same_but_it_knows_no_losses(trained, exported):
    pipeline = trained.pipeline()
    tasks = build_tasks(pipeline)
    checkpoint = evaluate(pipeline, tasks, RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32))
    model = evaluate(pipeline, tasks, SavedModelScorer(exported.path, pipeline))
    assert set(model.metrics) == {"auc_click", "gauc_click", "accuracy_kind", "mean_squared_error_seconds"}
    assert "loss" in checkpoint.metrics
    for name, value in model.metrics.items():
        assert value == pytest.approx(checkpoint.metrics[name], rel=1e-5), name
    assert model.num_examples == checkpoint.num_examples == len(trained.rows)


def test_unfiltered_inputs_are_all_fields_but_labels_and_weight(trained, tmp_path, score_here):
    pipeline = trained.pipeline("export_config.filter_inputs=false")
    told = []
    done = export(pipeline, trained.checkpoint, tmp_path, listener=told.append)
    assert tuple(dict.fromkeys(phase.name for phase in told)) == exporting.PHASES
    assert set(done.inputs) == {"user", "city", "level", "tags", "price", "age", "row", "is_new"}
    assert done.inputs["is_new"] == "bool"
    assert done.inputs["row"] == "int64"


def test_assets_go_into_the_export(trained, exported, tmp_path, score_here):
    asset = tmp_path / "thresholds.json"
    asset.write_text("{}")
    warmup = tmp_path / "tf_serving_warmup_requests"
    write_warmup(warmup, "mine", default_requests(read_rows(exported), [3]))
    marked = trained.pipeline(f"export_config.asset_files=[!{asset},{trained.folder}/cities.txt,{warmup}]")
    done = export(marked, trained.checkpoint, tmp_path / "to")
    assert (done.path / "assets" / "thresholds.json").read_text() == "{}"
    assert {file.name for file in (done.path / "assets").iterdir()} == {"thresholds.json", "cities.txt"}
    assert (done.path / "assets" / "cities.txt").read_bytes().count(b"\n") == 4, "the vocabulary as the graph reads it"
    assert (done.path / "assets.extra" / warmup.name).read_bytes() == warmup.read_bytes(), "where servers look for it"


def test_what_is_printed_names_the_signatures(exported, capsys):
    print_export(exported, Console(width=200))
    assert re.search(r"signatures +serving_default, encode, encoded, tf_example\n", capsys.readouterr().out)


@pytest.mark.parametrize("devices", [[], ["a GPU"]])
def test_what_a_gpu_would_do_is_told_at_length_where_there_is_one(exported, capsys, monkeypatch, devices):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: devices)
    print_export(exported, Console(width=200))
    lines = [line for line in capsys.readouterr().out.splitlines() if "GPU" in line or "copies" in line]
    nodes = exported.placement["encoded"].on_device
    if devices:
        assert [line.split("  ")[0] for line in lines] == ["GPU, serving_default", "copies", "GPU, encoded", "copies"]
        assert f"{nodes} nodes run on a GPU" in lines[2]
    else:
        assert len(lines) == 1 and f"encoded {nodes} nodes, 0 copies to wait for; more in" in lines[0]


def read_rows(exported):
    """Returns a row of no values, as a client sends it."""
    return {name: pa.array([value], TYPES[exported.inputs[name]]) for name, value in exported.missing.items()}


@pytest.mark.parametrize("is_of_another_model", [False, True])
def test_a_warm_up_file_is_read_before_it_is_taken(trained, exported, tmp_path, quick, is_of_another_model):
    """The model of this fixture has other types of inputs than the exported one."""
    file = tmp_path / "tf_serving_warmup_requests"
    file.write_text("hi")
    if is_of_another_model:
        shutil.copy(exported.path / "assets.extra" / file.name, file)
    says = r"record 0 .* holds string \[1\] in the input" if is_of_another_model else "is no TFRecord file"
    pipeline = trained.pipeline(f"export_config.asset_files=[{file}]")
    with pytest.raises(UserError, match=says):
        export(pipeline, trained.checkpoint, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_an_asset_that_has_gone_is_named_and_nothing_is_left(trained, tmp_path, quick):
    pipeline = trained.pipeline()
    pipeline.export_config.asset_files.append("nowhere.txt")
    with pytest.raises(UserError, match=r"asset_files.*nowhere\.txt"):
        export(pipeline, trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())


def test_only_the_newest_exports_are_kept(trained, tmp_path, quick):
    (tmp_path / "notes").mkdir()
    for number in ("7", "11", "101"):
        (tmp_path / number).mkdir()
    done = export(trained.pipeline(), trained.checkpoint, tmp_path, keep=5)
    assert {entry.name for entry in tmp_path.iterdir()} == {"notes", "7", "11", "101", done.path.name}
    done = export(trained.pipeline(), trained.checkpoint, tmp_path, keep=2)
    assert len(list(tmp_path.iterdir())) == 3
    assert newest_export(tmp_path) == done.path


def test_weights_of_the_network_are_constants_and_those_of_the_tables_are_saved(exported):
    names = {name for name, _ in tf.train.list_variables(str(exported.path / "variables" / "variables"))}
    saved = {name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE") for name in names if "variables_by_width" in name}
    assert {name.rsplit("/", 1)[1] for name in saved} == {"4", "8"}
    assert not [name for name in names if "kernel" in name or "dense" in name]
    model = tf.saved_model.load(str(exported.path))
    assert {tuple(variable.shape)[1] for variable in model.signatures["serving_default"].variables} == {4, 8}


def test_weights_that_are_too_large_for_a_graph_stay_variables(trained, exported, tmp_path, score_here, monkeypatch):
    monkeypatch.setattr(saved_model, "MOST_CONSTANT_BYTES", 100)
    done = export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert done.parity.largest_difference < 1e-5
    model = tf.saved_model.load(str(done.path))
    assert len(model.signatures["serving_default"].variables) > 2


def test_another_model_than_the_checkpoint_is_refused_and_not_published(trained, tmp_path, score_here, monkeypatch):
    def tampered(tables, width, begin, end):
        return rows(tables, width, begin, end) + (0.1 if width == 8 else 0.0)

    # What goes into the files, and not what the checkpoint scores with.
    rows = TablesOnDisk.rows
    monkeypatch.setattr(TablesOnDisk, "rows", tampered)
    with pytest.raises(UserError, match=r"_click of row \d+ is .* It was not published"):
        export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir()), "neither an export nor a draft"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupted_export_leaves_nothing(trained, tmp_path, quick, monkeypatch, failure):
    def fail(*_):
        raise failure

    monkeypatch.setattr(exporting, "check_parity", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else UserError):
        export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())


def test_killed_export_leaves_nothing_that_looks_like_one(trained, exported, tmp_path, quick):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    draft = tmp_path / f".writing-1700000000-{sleeper.pid}"
    shutil.copytree(exported.path, draft)
    with pytest.raises(UserError, match="no SavedModel"):
        newest_export(tmp_path)
    done = export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert draft.exists(), "whoever writes it is still alive"
    sleeper.send_signal(signal.SIGKILL)
    sleeper.wait()
    again = export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert not draft.exists()
    assert {entry.name for entry in tmp_path.iterdir()} == {done.path.name, again.path.name}
    assert int(again.path.name) > int(done.path.name)


def test_two_exports_in_one_second_have_two_names(trained, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.5)
    (tmp_path / "1700000000").mkdir()
    assert export(trained.pipeline(), trained.checkpoint, tmp_path).path.name == "1700000001"


def test_without_data_there_is_nothing_to_compare_with(trained, tmp_path):
    pipeline = trained.pipeline()
    pipeline.ClearField("train_input_path")
    pipeline.ClearField("eval_input_path")
    assert export(pipeline, trained.checkpoint, tmp_path).parity is None


def test_folder_that_cannot_be_written_is_named(trained, tmp_path, quick, monkeypatch):
    make = os.mkdir

    def refuse(path, *options, **more):
        # As a folder of mode 500 does; but root may write everywhere.
        if Path(path).is_relative_to(tmp_path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        make(path, *options, **more)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(UserError, match=tmp_path.name):
        export(trained.pipeline(), trained.checkpoint, tmp_path / "to")


def test_file_where_the_folder_should_be_is_named(trained, tmp_path, quick):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        export(trained.pipeline(), trained.checkpoint, tmp_path / "file")


def test_checkpoint_of_another_config_is_refused(trained, tmp_path):
    with pytest.raises(UserError, match=r"another model than the config: .*expert_0/dnn_0/kernel"):
        export(trained.pipeline("model_config.mmoe.expert_dnn.hidden_units=[16]"), trained.checkpoint, tmp_path)
    assert not list(Path(tmp_path).iterdir())
