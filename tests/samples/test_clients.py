"""The clients of samples/clients, against a server."""

import importlib.util
import json
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest

from easymtl.serving.reload import in_parts
from easymtl.ways.open_export import OpenExport
from tests.ways.conftest import export, served  # noqa: F401
from tests.ways.tiny_export import TYPES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "serving.md").read_text(encoding="utf-8")
COLUMNS = {
    "user id": ["u1", "北京"],
    "用户": ["", "x"],
    "item.id": [1, 2],
    "price": [2.5, 1.5],
    "age": [10.0, 20.0],
    "is_new": [True, False],
    "tags": [["a", "b"], ["c", ""]],
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "samples" / "clients" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def expected(export):  # noqa: F811
    opened = OpenExport(export)
    inputs = {name: np.array(COLUMNS[name], kind.as_numpy_dtype) for name, kind in TYPES.items()}
    inputs |= {name: np.array(COLUMNS[name], object) for name in ("user id", "用户", "tags")}
    shapes = {name: [None] for name in inputs}
    found = in_parts(lambda part: opened._told("serving_default", part), shapes, inputs)
    opened.close()
    return found


def test_rest(served, expected, tmp_path, monkeypatch, capsys):  # noqa: F811
    client = load("rest_client")
    bytes_of_user = {**COLUMNS, "user id": [text.encode() for text in COLUMNS["user id"]]}
    for columns in (COLUMNS, bytes_of_user):
        scores = client.predict(served.rest, columns)
        np.testing.assert_allclose(scores["probs_kind"], expected["probs_kind"], rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"400: .*price"):
        client.predict(served.rest, {name: values for name, values in COLUMNS.items() if name != "price"})
    rows = printed(client, [served.rest], tmp_path, monkeypatch, capsys)
    assert [row["feature_user id"] for row in rows] == COLUMNS["user id"]
    np.testing.assert_allclose([row["rank"] for row in rows], expected["rank"], rtol=1e-6)


def test_grpc(served, expected, tmp_path, monkeypatch, capsys):  # noqa: F811
    client = load("grpc_client")
    with grpc.insecure_channel(served.grpc) as channel:
        types = client.input_types(channel, served.model)
        assert types == {name: kind.as_datatype_enum for name, kind in TYPES.items()}
        scores = client.predict(channel, served.model, COLUMNS, types)
        np.testing.assert_allclose(scores["probs_kind"], expected["probs_kind"], rtol=1e-6)
        with pytest.raises(grpc.RpcError, match="tags"):
            client.predict(channel, served.model, {**COLUMNS, "tags": ["a", "b"]}, types)
    rows = printed(client, [served.grpc, served.model], tmp_path, monkeypatch, capsys)
    assert [row["feature_user id"] for row in rows] == COLUMNS["user id"]
    np.testing.assert_allclose([row["probs_kind"] for row in rows], expected["probs_kind"], rtol=1e-6)


def printed(client, arguments, tmp_path, monkeypatch, capsys):
    """Returns what a client prints of a file of rows."""
    path = tmp_path / "request.json"
    rows = [dict(zip(COLUMNS, values)) for values in zip(*COLUMNS.values())]
    path.write_text(json.dumps({"signature_name": "serving_default", "instances": rows}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["client", *arguments, str(path)])
    client.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_guide_names_the_clients_and_they_are_there():
    for name in ("rest_client.py", "grpc_client.py", "c/client.c"):
        assert f"samples/clients/{name}" in GUIDE
        assert (ROOT / "samples" / "clients" / name).is_file()
