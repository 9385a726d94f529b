"""Exports are proved on rows as clients send them: a default that the graph has lost shows, whatever the data hold."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.together import Inputs
from easymtl.serving import export as exporting
from easymtl.serving.export import export
from easymtl.serving.exported import missing_values
from easymtl.serving.proof_rows import _compact, proof_rows

pytestmark = pytest.mark.usefixtures("op_by_op")

FIELDS = ["user", "city", "level", "tags", "price", "age"]
DEFAULTS = {"city": "cairo", "user": "u3", "tags": "t1:2", "price": "1.5", "age": "40"}


def with_defaults(trained, *overrides):
    """The trained model with another default for every field; weights do not depend on them."""
    fields = trained.pipeline().data_config.input_fields
    places = {field.input_name: place for place, field in enumerate(fields)}
    defaults = [f"data_config.input_fields[{places[name]}].default_val={text}" for name, text in DEFAULTS.items()]
    return trained.pipeline(*defaults, *overrides)


def rows_of(pipeline):
    return proof_rows(pipeline, FIELDS, Encoder(FeatureSet(pipeline)))


def test_what_is_sent_is_what_the_files_hold_and_what_is_read_has_the_defaults(trained):
    rows = rows_of(with_defaults(trained))
    assert rows.num_rows == 100
    raw = trained.rows.slice(0, 100)
    for name in FIELDS:
        nulls = np.array([value in (None, "") for value in raw[name].to_pylist()])
        assert 0 < nulls.sum() < 100
        sent, read = (np.array(one.to_pylist()[:100]) for one in (rows.sent[name], rows.read.column(name)))
        assert sent[~nulls].tolist() == read[~nulls].tolist() == np.array(raw[name].to_pylist())[~nulls].tolist()
    of_null = {
        name: {str(value) for value, was in zip(rows.sent[name].to_pylist(), raw[name].to_pylist()) if was is None}
        for name in FIELDS
    }
    assert of_null == {"user": {""}, "city": {""}, "tags": {""}, "price": {"nan"}, "age": {"nan"}, "level": {"3"}}
    assert rows.read.column("city").null_count == rows.read.column("price").null_count == 0


def test_values_are_blanked_field_by_field(trained):
    rows = rows_of(with_defaults(trained))
    behind = {name: rows.sent[name].to_pylist()[100:] for name in FIELDS}
    assert len(behind["user"]) == 4 * len(FIELDS)
    missing = {"user": "", "city": "", "tags": "", "level": 3}
    for place, name in enumerate(FIELDS):
        own = behind[name][4 * place : 4 * place + 4]
        assert all(math.isnan(value) for value in own) if name in ("price", "age") else own == [missing[name]] * 4
        assert rows.read.column(name).to_pylist()[100 + 4 * place] == {"level": 3, "price": 1.5, "age": 40.0}.get(
            name, DEFAULTS.get(name)
        )


def test_without_defaults_a_missing_number_is_0(trained):
    pipeline = trained.pipeline()
    assert missing_values(pipeline, [*FIELDS, "is_new", "row"]) == {
        "user": "", "city": "", "level": 3, "tags": "", "price": 0.0, "age": 0.0, "is_new": False, "row": 0,
    }  # fmt: skip
    rows = rows_of(pipeline)
    assert not any(value is None or value != value for values in rows.sent.values() for value in values.to_pylist())


def test_rows_that_no_line_can_hold_are_left_out(trained, tmp_path):
    pipeline = with_defaults(trained, "data_config.separator=;", "export_config.multi_placeholder=false")
    cities = [f"{city};" if row % 3 == 0 else city for row, city in enumerate(trained.rows["city"].to_pylist())]
    place = trained.rows.column_names.index("city")
    pq.write_table(trained.rows.set_column(place, "city", pa.array(cities)), tmp_path / "rows.parquet")
    pipeline.eval_input_path = str(tmp_path / "rows.parquet")
    rows = rows_of(pipeline)
    assert rows.num_rows == 200
    (lines,) = rows.sent.values()
    assert {line.count(";") for line in lines.to_pylist()} == {len(FIELDS) - 1}
    first = trained.rows.slice(1, 1).to_pylist()[0]
    shown = {name: "" if value is None else str(value) for name, value in first.items()}
    shown["price"] = str(np.float32(first["price"]))
    assert lines[0].as_py() == ";".join(shown[name] for name in FIELDS)
    pq.write_table(trained.rows.set_column(place, "city", pa.array([";"] * 300)), tmp_path / "rows.parquet")
    assert rows_of(pipeline) is None


def test_the_order_in_which_features_read_fields_changes_nothing_of_lines(trained):
    pipeline = with_defaults(trained, "export_config.multi_placeholder=false")
    rows = rows_of(pipeline)
    turned = proof_rows(pipeline, FIELDS[::-1], Encoder(FeatureSet(pipeline)))
    assert turned.sent == rows.sent
    assert {name: turned.read.column(name).to_pylist() for name in ("city", "user", "price")} == {
        name: rows.read.column(name).to_pylist() for name in ("city", "user", "price")
    }


def test_a_default_that_no_feature_can_read_is_no_row_of_the_proof(trained, tmp_path):
    pipeline = with_defaults(trained, "data_config.input_fields[8].default_val=t1:much")
    assert pipeline.data_config.input_fields[8].input_name == "tags"
    tags = pa.array([value or "t2:1" for value in trained.rows["tags"].to_pylist()])
    path = tmp_path / "whole.parquet"
    pq.write_table(trained.rows.set_column(trained.rows.column_names.index("tags"), "tags", tags), path)
    pipeline.eval_input_path = str(path)
    rows = rows_of(pipeline)
    assert rows.read.num_rows - rows.num_rows == 4 * (len(FIELDS) - 1)


@pytest.fixture
def without_nulls(trained, tmp_path):
    """The trained model's config over data in which no value is missing, with defaults."""
    columns = {}
    for name in trained.rows.column_names:
        column = trained.rows[name]
        is_number = not pa.types.is_string(column.type) and not pa.types.is_boolean(column.type)
        columns[name] = column.fill_null(1 if is_number else "u1" if pa.types.is_string(column.type) else False)
    columns["tags"] = pa.array([value if value != "u1" else "t3:1" for value in columns["tags"].to_pylist()])
    columns["city"] = pa.array([value if value != "u1" else "delhi" for value in columns["city"].to_pylist()])
    pq.write_table(pa.table(columns), tmp_path / "whole.parquet")
    pipeline = with_defaults(trained)
    pipeline.eval_input_path = str(tmp_path / "whole.parquet")
    return pipeline


def test_with_its_defaults_the_graph_is_proved(trained, without_nulls, tmp_path, score_here):
    done = export(without_nulls, trained.checkpoint, tmp_path / "to")
    assert (done.parity.num_rows, done.parity.num_blanked) == (300, 24)
    assert done.missing == {"user": "", "city": "", "level": 3, "tags": "", "price": 1.5, "age": 40.0}


@pytest.mark.parametrize("lost", ["user", "price", "age"])
def test_a_lost_default_fails_the_proof_though_no_row_lacks_a_value(
    trained, without_nulls, tmp_path, score_here, monkeypatch, lost
):
    signatures = exporting.ServingModel.signatures

    def without_default(model):
        filled, side_by_side = FeatureSet.filled, Inputs.side_by_side
        with monkeypatch.context() as patch:
            patch.setattr(Inputs, "side_by_side", lambda inputs, features, axis=1: side_by_side(
                inputs._replace(defaults={name: one for name, one in inputs.defaults.items() if name != lost}),
                features, axis))  # fmt: skip
            patch.setattr(FeatureSet, "filled", lambda features, name, column: (
                column if name == lost else filled(features, name, column)))  # fmt: skip
            return signatures(model)

    monkeypatch.setattr(exporting.ServingModel, "signatures", without_default)
    with pytest.raises(UserError, match=r"of row [34]\d\d is .* It was not published"):
        export(without_nulls, trained.checkpoint, tmp_path / "to")


def test_the_dictionaries_of_raw_rows_hold_no_value_of_a_row_that_was_left_out():
    texts = pa.array(["7", "soon", "8"]).dictionary_encode()
    batch = pa.RecordBatch.from_arrays([texts, pa.array([1, 2, 3])], names=["a", "b"])
    kept = _compact(batch.take(pa.array([0, 2])))
    assert kept.schema == batch.schema
    assert kept.column("a").dictionary.to_pylist() == ["7", "8"]
    assert kept.to_pydict() == {"a": ["7", "8"], "b": [1, 3]}
