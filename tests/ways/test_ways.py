"""The ways that need no program of their own: TensorFlow, REST and gRPC."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import pytest

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.ways import address
from easymtl.ways.asking import ask_one, joined_packed, signatures_in
from easymtl.ways.grpc_way import Grpc
from easymtl.ways.registry import all_ways
from easymtl.ways.rest import Rest
from easymtl.ways.tensorflow_apart import TensorFlow
from easymtl.ways.verifying import question_of, verify
from tests.ways.tiny_export import CONFIG, some_rows, write_export, write_lines_export, write_rows

SIGNATURES = ["serving_default", "encoded", "tf_example", "user_once"]


def pipeline():
    from google.protobuf import text_format

    return text_format.Parse(CONFIG, Pipeline())


@pytest.fixture(scope="module")
def question(export, rows):
    return question_of(export, pipeline(), rows, 1000)


@pytest.fixture
def ways(served):
    return TensorFlow(), Rest(None, served.rest), Grpc(None, served.grpc, served.model)


def test_all_signatures_are_the_same_on_all_ways(question, ways, ask_here):
    findings = verify(question, ways)
    assert [(one.way, one.signature) for one in findings] == [(way.name, name) for way in ways for name in SIGNATURES]
    for one in findings:
        assert (one.problem, one.unsayable, one.difference.num_rows) == (None, None, 40), one
    assert question.baseline.told.startswith("serving_default of the export itself")


def test_what_is_sent_are_the_rows_of_the_file_with_what_is_missing(question):
    table = some_rows(40)
    sent = {name: column.to_pylist() for name, column in question.rows.sent.items()}
    for name in ("user id", "用户"):
        assert sent[name] == [text or "" for text in table[name].to_pylist()]
    # The graph takes the default for NaN; a price without one would be 0.
    prices = table["price"].to_pylist()
    assert [value for value in sent["price"] if value == value] == [value for value in prices if value is not None]
    tags = [[tag for tag in (text or "").split("|") if tag] for text in table["tags"].to_pylist()]
    assert [[tag for tag in row if tag] for row in sent["tags"]] == tags
    rows = question.rows
    assert set(rows.of_user["user id"].to_pylist()) == {sent["user id"][0]}
    assert rows.of_user["item.id"].to_pylist() == sent["item.id"]
    assert len(rows.examples) == rows.num_rows == 40
    assert {name: len(values) for name, values in rows.packed.items()} == {"ids": 40, "dense": 40, "bag_ids": 40}


class Changed:
    """A way that changes scores of another one."""

    name = "broken"

    def __init__(self, way, *places):
        self.way, self.places = way, places

    def absent(self):
        return None

    def scores(self, export, rows):
        found = self.way.scores(export, rows)
        for signature, output, row in self.places:
            found[signature][output][row] += 0.01
        return found


def test_a_way_that_is_broken_is_found_with_output_and_row(question, ask_here):
    places = [("serving_default", "probs_click", 17), ("encoded", "probs_kind", 0), ("tf_example", "logits_click", 39)]
    findings = verify(question, [Changed(TensorFlow(), *places)])
    for (signature, output, row), one in zip(places, findings):
        assert one.signature == signature
        assert one.problem.startswith(f"{output} of row {row} (the first is 0) is ")
        assert one.difference.largest == pytest.approx(0.01, rel=1e-3)
    assert (findings[3].signature, findings[3].problem) == ("user_once", None)


def test_no_rows_are_answered_on_every_way(export, ways, tmp_path, ask_here):
    findings = verify(question_of(export, pipeline(), write_rows(tmp_path / "none.parquet", 0), 1000), ways)
    # There is no user of no row.
    assert [(one.way, one.signature) for one in findings] == [(way.name, one) for way in ways for one in SIGNATURES[:3]]
    assert {(one.problem, one.difference.num_rows) for one in findings} == {(None, 0)}


def test_rows_of_another_number_than_asked_are_those_there_are_and_fewer(export, rows):
    assert question_of(export, pipeline(), rows, 7).rows.num_rows == 7
    assert question_of(export, pipeline(), f"{rows},{rows}", 50).rows.num_rows == 50


def test_a_number_of_rows_that_is_fixed(tmp_path, rows, ask_here):
    export = write_export(tmp_path / "3", 16)
    question = question_of(export, pipeline(), rows, 1000)
    findings = verify(question, [TensorFlow()])
    assert [(one.signature, one.problem) for one in findings] == [(name, None) for name in SIGNATURES]
    with pytest.raises(UserError, match="each request has 16 rows, and there is none"):
        question_of(export, pipeline(), write_rows(tmp_path / "none.parquet", 0), 1000)


def test_rows_that_are_lines(tmp_path, rows, ask_here):
    """A line cannot hold what separates its fields: such rows are left out, and others take their places."""
    export = write_lines_export(tmp_path / "3")
    question = question_of(export, pipeline(), rows, 20)
    assert question.rows.num_rows == 20
    table = some_rows(40).to_pylist()
    lines = [
        f"{row['user id'] or ''}\t{'' if row['price'] is None else str(np.float32(row['price']))}\t{row['用户'] or ''}"
        for row in table
        if "a\tb" not in (row["user id"], row["用户"])
    ]
    assert question.rows.sent["features"].to_pylist() == lines[:20]
    (finding,) = verify(question, [TensorFlow()])
    assert (finding.signature, finding.problem) == ("serving_default", None)


def test_packed_tensors_of_several_requests_are_padded_to_the_widest():
    narrow = {"bag_ids": np.array([[[1]]]), "bag_weights": np.array([[[0.5]]], np.float32), "ids": np.array([[1, 2]])}
    wide = {
        "bag_ids": np.array([[[3, 4]]]),
        "bag_weights": np.array([[[0.5, 0.5]]], np.float32),
        "ids": np.array([[3, 4]]),
    }
    joined = joined_packed([narrow, wide])
    assert joined["bag_ids"].tolist() == [[[1, -1]], [[3, 4]]]
    assert joined["bag_weights"].tolist() == [[[0.5, 0]], [[0.5, 0.5]]]
    assert joined["ids"].tolist() == [[1, 2], [3, 4]]


def test_an_answer_of_fewer_rows_is_none(export):
    signature = signatures_in(export)["tf_example"]
    with pytest.raises(UserError, match="tf_example: 3 rows were sent, and x has 2"):
        ask_one(signature, {"examples": np.array([b""] * 3, object)}, lambda *_: {"x": np.zeros(2)}, 0)


def test_texts_that_are_no_utf_8_go_through_rest_and_grpc(export, served, ways):
    signature = signatures_in(export)["serving_default"]
    texts = np.array([b"\xff\x00", "用户".encode()], object)
    numbers = {"item.id": np.array([1, 2]), "price": np.array([np.nan, 1], np.float32), "age": np.zeros(2)}
    inputs = {"user id": texts, "用户": texts, "is_new": np.array([True, False]), **numbers}
    inputs["tags"] = np.array([[b"\xfe", b""], [b"a", b"b"]], object)
    from easymtl.ways import grpc_way, rest

    by_rest = rest.predict(served.rest, signature, inputs)
    with grpc.insecure_channel(served.grpc) as channel:
        by_grpc = grpc_way.predict(channel, served.model, signature, inputs)
    assert by_rest["feature_user id"].tolist() == by_grpc["feature_user id"].tolist() == texts.tolist()
    np.testing.assert_allclose(by_rest["probs_kind"], by_grpc["probs_kind"], rtol=1e-6)


def test_a_server_that_refuses_or_is_not_there_fails_its_way_alone(question, served, ask_here):
    ways = [
        Rest(None, f"{served.rest}_else"),
        Grpc(None, served.grpc, "another"),
        Rest(None, "http://127.0.0.1:9"),
        Grpc(None, "127.0.0.1:9"),
        TensorFlow(),
    ]
    findings = verify(question, ways)
    problems = [one.problem for one in findings[:4]]
    assert "answers 404" in problems[0] and "tiny_else" in problems[0]
    assert problems[1].startswith("the server answers NOT_FOUND")
    assert problems[2].startswith("http://127.0.0.1:9/v1/models/tiny:predict does not answer")
    assert problems[3].startswith("the server answers UNAVAILABLE")
    assert [one.problem for one in findings[4:]] == [None] * 4


def test_a_server_that_answers_with_something_else(question):
    answers = [b"<html>", b"[]", json.dumps({"outputs": {}}).encode()]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[0])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        way = Rest(None, f"http://127.0.0.1:{server.server_address[1]}")
        for says in ("does not answer", "no JSON object", 'without "predictions"'):
            (finding,) = verify(question, [way])
            assert says in finding.problem
            answers.pop(0)
        server.shutdown()


def test_addresses(export):
    known = {
        "http://host:8501": "http://host:8501/v1/models/tiny",
        "http://host:8501/": "http://host:8501/v1/models/tiny",
        "https://host/v1/models/shop": "https://host/v1/models/shop",
        "http://host/v1/models/shop/versions/3:predict": "http://host/v1/models/shop/versions/3",
    }
    for url, wanted in known.items():
        assert address.rest_address(url, export, None) == wanted
    assert address.rest_address("http://host", export, "用") == "http://host/v1/models/%E7%94%A8"
    with pytest.raises(UserError, match='--rest: "host:8501" is no address such as http://localhost:8501'):
        address.rest_address("host:8501", export, None)


def test_without_the_extra_a_server_is_absent_and_what_is_named_needs_only_a_client(monkeypatch):
    monkeypatch.setattr(address, "_SERVER", ("uvicorn", "no_such_module"))
    monkeypatch.setattr(address, "_CLIENT", ("grpc",))
    absent = {way.name: way.absent() for way in all_ways(None)}
    assert absent["rest"] == "\"no_such_module\" is not installed: pip install 'easymtl[serve]'" == absent["grpc"]
    absent = {way.name: way.absent() for way in all_ways(None, "http://host", "host:1")}
    assert (absent["rest"], absent["grpc"], absent["tensorflow"]) == (None, None, None)
