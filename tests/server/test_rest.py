"""TensorFlow Serving's REST as a client meets it: forms, types, mistakes, limits."""

import base64
import json
import math

import numpy as np
import pytest

from tests.server.tiny_export import ROW, client_of, open_desk

PREDICT = "/v1/models/model:predict"


@pytest.fixture(scope="module")
def ask(loop, desk):
    """Asks, and returns the code and the answer."""
    client = client_of(desk)

    def ask(method, path, **given):
        response = loop.run_until_complete(client.request(method, path, **given))
        is_json = response.headers["content-type"] == "application/json"
        return response.status_code, json.loads(response.text) if is_json else response.text

    return ask


@pytest.fixture(scope="module")
def predict(ask):
    def predict(body, path=PREDICT):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask("POST", path, content=content)

    return predict


def refused(answer, *parts, code=400):
    assert answer[0] == code, answer
    assert set(answer[1]) == {"error"}
    for part in parts:
        assert part in answer[1]["error"]


def test_rows_are_answered_by_rows(predict):
    code, said = predict({"instances": [ROW, ROW | {"price": 4, "is_new": False, "tags": ["c"]}]})
    assert code == 200
    first, second = said["predictions"]
    assert first["y_seconds"] == 32.5
    assert first["probs_click"] == pytest.approx(1 / (1 + math.exp(-0.325)), rel=1e-6)
    assert first["kinds"] == [32.5, 2, 1]
    assert second["kinds"] == [34, 1, 0]
    assert first["feature_user"] == "u1"
    assert first["doubled_id"] == 18


def test_columns_are_answered_by_columns(predict):
    code, said = predict({"inputs": {name: [value] * 2 for name, value in ROW.items()}})
    assert code == 200
    assert said["outputs"]["y_seconds"] == [32.5, 32.5]
    assert said["outputs"]["kinds"] == [[32.5, 2, 1]] * 2


def test_a_signature_of_one_input_and_one_output_takes_and_gives_bare_values(predict):
    texts = ["abc", {"b64": base64.b64encode(b"\xff\x00").decode()}]
    of_signature = {"signature_name": "tf_example"}
    assert predict({**of_signature, "instances": texts}) == (200, {"predictions": [3, 2]})
    assert predict({**of_signature, "instances": [{"examples": text} for text in texts]}) == (
        200,
        {"predictions": [3, 2]},
    )
    assert predict({**of_signature, "inputs": texts}) == (200, {"outputs": [3, 2]})
    assert predict({**of_signature, "inputs": {"examples": texts}}) == (200, {"outputs": [3, 2]})


def test_no_rows_are_answered_with_none(predict):
    assert predict({"instances": []}) == (200, {"predictions": []})
    code, said = predict({"inputs": {name: [] for name in ROW}})
    assert code == 200 and said["outputs"]["kinds"] == []


def test_inputs_of_one_row_stand_beside_inputs_of_many(predict):
    said = {"signature_name": "user_once", "inputs": {"price": [0.5], "age": [1, 2, 3]}}
    assert predict(said) == (200, {"outputs": [1.5, 2.5, 3.5]})
    said["inputs"]["price"] = [0.5, 1.0]
    refused(predict(said), 'input "price" has the shape [2]', "takes float32 [1]")


def test_numbers_that_json_has_no_word_for_are_answered_as_tensorflow_serving_does(predict):
    body = json.dumps({"instances": [ROW, ROW, ROW]}).replace("2.5", "NaN", 1).replace("2.5", "-Infinity", 1)
    code, said = predict(body.encode())
    assert code == 200
    assert np.isnan(said["predictions"][0]["y_seconds"])
    assert said["predictions"][1]["y_seconds"] == -math.inf
    assert said["predictions"][2]["y_seconds"] == 32.5


@pytest.mark.parametrize("number", ["1e999", "-1e309", "1e39"])
def test_infinity_is_a_word_and_not_a_number_that_is_too_large(predict, number):
    body = json.dumps({"instances": [ROW, ROW]}).replace("2.5", "Infinity", 1).replace("2.5", number, 1)
    refused(predict(body.encode()), 'input "price": row 1')


def test_a_text_that_is_no_utf8_comes_back_as_base64(predict):
    sent = {"b64": base64.b64encode(b"\xfe\xff").decode()}
    code, said = predict({"instances": [ROW | {"user": sent}, ROW | {"user": "用户 😀"}]})
    assert code == 200
    assert [row["feature_user"] for row in said["predictions"]] == [sent, "用户 😀"]


def test_the_largest_whole_numbers_keep_all_their_digits(predict):
    code, said = predict({"instances": [ROW | {"id": 4611686018427387903}]})
    assert code == 200 and said["predictions"][0]["doubled_id"] == 9223372036854775806


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("age", 1.5, ["row 0", "1.5", "int32"]),
        ("age", "ten", ["'ten'"]),
        ("age", True, ["true"]),
        ("age", None, ["null", "with 0 in place of a missing value"]),
        ("age", 2**31, ["2147483648"]),
        ("age", [1], ["a list"]),
        ("id", 2**63, ["9223372036854775808"]),
        ("id", 10**400, ["int64"]),
        ("price", "2.5", ["'2.5'", "float32"]),
        ("price", 1e39, ["1e+39"]),
        ("price", 10**400, ["float32"]),
        ("price", None, ["with 1.5 in place"]),
        ("is_new", 1, ["1", "bool"]),
        ("is_new", "true", ["'true'"]),
        ("user", 7, ["7", "string"]),
        ("user", {"b64": "%%"}, ["an object"]),
        ("user", {"b64": 7}, ["an object"]),
        ("user", {"text": "u"}, ["an object"]),
        ("user", "\ud800", ["string"]),
        ("tags", "a|b", ["shape [1]", "[rows, any]"]),
        ("tags", [["a"]], ["shape [1, 1, 1]"]),
        ("tags", ["a", None], ["null"]),
    ],
)
def test_a_value_of_another_type_is_told_with_its_input(predict, field, value, says):
    for body in ({"instances": [ROW | {field: value}]}, {"inputs": {n: [(ROW | {field: value})[n]] for n in ROW}}):
        refused(predict(body), f'input "{field}"', *says)


def test_a_wrong_value_is_told_with_its_row(predict):
    rows = [ROW, ROW, ROW | {"age": "x"}]
    refused(predict({"instances": rows}), 'input "age": row 2 (the first is 0)')
    refused(predict({"instances": [*rows[:2], ROW | {"tags": ["a", 5]}]}), 'input "tags": row 2')


@pytest.mark.parametrize("value", [30.0, -0.0])
def test_a_whole_number_may_be_written_with_a_point(predict, value):
    assert predict({"instances": [ROW | {"age": value}]})[0] == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", ["no JSON"]),
        (b"{", ["no JSON"]),
        (b"\xff\xfe\x00", ["no JSON"]),
        (b"[" * 60_000, ["nested too deeply"]),
        (b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}", []),
        (b'{"inputs": ' + b"9" * 5000 + b"}", ["no JSON"]),
        ([], ["object"]),
        ({}, ["neither is there"]),
        ({"instances": [], "inputs": {}}, ["both are there"]),
        ({"instanses": []}, ['Did you mean "instances"?']),
        ({"instances": {}}, ["list of rows"]),
        ({"instances": [1]}, ["row 0", "object"]),
        ({"instances": [ROW, {}]}, ["row 1", '"user"']),
        ({"inputs": []}, ["object"]),
        ({"inputs": {}}, ['inputs "user", "age"', "are not there"]),
        ({"instances": [], "signature_name": 3}, ["signature_name"]),
        ({"instances": [], "signature_name": "user_onc"}, ['Did you mean "user_once"?']),
        ({"signature_name": "tf_example", "instances": [{"exampels": "a"}]}, ['Did you mean "examples"?']),
        ({"inputs": dict.fromkeys(ROW, 1)}, ['input "']),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_is_no_request_is_refused(predict, body, says):
    refused(predict(body), *says)


def test_names_are_told_with_the_nearest(predict):
    renamed = {("pric" if name == "price" else name): value for name, value in ROW.items()}
    refused(predict({"instances": [ROW, renamed]}), "row 1", 'no input "pric"', 'Did you mean "price"?')
    refused(predict({"inputs": {**{n: [v] for n, v in ROW.items()}, "Age": [1]}}), '"Age"', 'Did you mean "age"?')


def test_columns_of_unequal_length_are_refused_by_name(predict):
    columns = {name: [value] * 3 for name, value in ROW.items()} | {"age": [1]}
    refused(predict({"inputs": columns}), "inputs have different numbers of rows: age 1, user 3.")


def test_rows_of_lists_are_padded_and_other_inputs_are_not(predict):
    code, said = predict({"inputs": {name: [value] * 2 for name, value in ROW.items()} | {"tags": [["a"], []]}})
    assert code == 200 and [row[1] for row in said["outputs"]["kinds"]] == [1, 0]
    ragged = {"signature_name": "encode", "instances": [["a", "b"], ["c"]]}
    refused(predict(ragged), 'input "tags": row 1', "1 values, and row 0 2 values")


def test_lists_of_lists_are_padded_on_each_axis_that_may_differ(predict):
    rows = [{"ids": [[1, 2, 3], [4]], "weight": 1}, {"ids": [[], [5]], "weight": 2}]
    code, said = predict({"signature_name": "encoded", "instances": rows})
    assert code == 200 and said["predictions"] == [10, 10]
    columns = {"ids": [[[1, 2, 3]], [[5], [6]]], "weight": [1, 1]}
    refused(predict({"signature_name": "encoded", "inputs": columns}), 'input "ids"', "2 values, and row 0 1 values")
    flat = {"ids": [[1, 2], [3]], "weight": [1, 1]}
    refused(predict({"signature_name": "encoded", "inputs": flat}), 'input "ids"', "takes int64 [rows, 2, any]")


def test_padding_does_not_make_much_of_few_bytes(predict):
    """A row of many values among rows of none: each alone is small."""
    columns = {name: [value] * 100 for name, value in ROW.items()} | {"tags": [[""] * 1000, *[[]] * 99]}
    refused(predict({"inputs": columns}), 'input "tags" has the shape [100, 1000]', "100,500 values", "--max_bytes")


def test_what_the_graph_refuses_is_told_in_its_own_words(predict):
    refused(predict({"instances": [ROW | {"age": -1}]}), "input age: a row is below 0.")


def test_limits(predict):
    refused(predict({"instances": [ROW] * 101}), "101 rows", "100", "--max_rows")
    refused(predict({"inputs": {name: [value] * 101 for name, value in ROW.items()}}), "101 rows")
    refused(predict(b" " * (1 << 16) + b"{}"), "65,536 bytes", "--max_bytes", code=413)


def test_paths_versions_and_methods(ask, predict):
    body = {"instances": [ROW]}
    assert predict(body, "/v1/models/model/versions/3:predict")[0] == 200
    refused(predict(body, "/v1/models/model/versions/4:predict"), "version 4", "version 3 is served", code=404)
    refused(predict(body, "/v1/models/model/labels/new:predict"), '"new"', code=404)
    refused(predict(body, "/v1/models/modle:predict"), 'Did you mean "model"?', code=404)
    refused(predict(body, "/v1/models/model:classify"), ":predict", code=404)
    refused(predict(body, "/v1/models/model/versions/" + "9" * 30 + ":predict"), code=404)
    refused(ask("GET", PREDICT), "POST", code=405)
    refused(ask("DELETE", PREDICT), code=405)
    refused(ask("GET", "/elsewhere"), "/v1/models/NAME", code=404)
    refused(ask("POST", PREDICT, content=b"", headers={"content-encoding": "gzip"}), "Content-Encoding", code=415)


def test_a_method_that_is_not_taken_is_told_those_that_are(loop, desk):
    def allowed(method, path):
        response = loop.run_until_complete(client_of(desk).request(method, path))
        assert response.status_code == 405
        return set(response.headers["allow"].split(", "))

    assert allowed("GET", PREDICT) == allowed("HEAD", PREDICT) == {"POST"}
    assert allowed("POST", "/v1/models/model") == {"GET", "HEAD"}
    assert allowed("OPTIONS", "/") == {"GET", "HEAD"}
    assert allowed("PUT", PREDICT) >= {"POST"}


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models/model", "/v1/models/model/metadata"])
def test_who_asks_for_the_head_alone_is_answered_as_who_asks_for_all(loop, desk, path):
    got, head = (loop.run_until_complete(client_of(desk).request(method, path)) for method in ("GET", "HEAD"))
    assert got.status_code == head.status_code == 200
    assert got.headers["content-length"] == head.headers["content-length"]


def test_status_and_metadata(ask):
    available = {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert ask("GET", "/v1/models/model") == (200, {"model_version_status": [available]})
    assert ask("GET", "/v1/models/model/versions/3") == (200, {"model_version_status": [available]})
    code, said = ask("GET", "/v1/models/model/metadata")
    assert code == 200
    assert said["model_spec"] == {"name": "model", "signature_name": "", "version": "3"}
    price = said["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["price"]
    assert price["dtype"] == "DT_FLOAT"
    assert price["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def test_health_readiness_and_metrics(ask, predict, desk):
    assert ask("GET", "/healthz")[0] == ask("GET", "/readyz")[0] == 200
    before = numbers_of(ask("GET", "/metrics")[1])
    predict({"instances": [ROW] * 5})
    predict({"instances": [1]})
    after = numbers_of(ask("GET", "/metrics")[1])
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown['easymtl_requests_total{code="OK",protocol="rest"}'] == 1
    assert grown['easymtl_requests_total{code="INVALID_ARGUMENT",protocol="rest"}'] == 1
    assert grown["easymtl_rows_total"] == 5
    assert grown["easymtl_batch_rows_count"] == 1 and grown["easymtl_batch_rows_sum"] == 5
    assert grown['easymtl_request_seconds_count{protocol="rest"}'] == 2
    assert after["easymtl_model_version"] == 3
    desk.is_stopping = True
    assert ask("GET", "/readyz")[0] == 503
    desk.is_stopping = False


def numbers_of(text):
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_a_request_that_takes_too_long_is_given_up(loop, folder, desk):
    async def run():
        slow = await open_desk(folder, seconds=0.0001)
        answer = await client_of(slow).post(PREDICT, content=json.dumps({"instances": [ROW]}).encode())
        await slow.batcher.stop()
        return answer.status_code, answer.json()

    refused(loop.run_until_complete(run()), "0.0001 seconds", code=504)
