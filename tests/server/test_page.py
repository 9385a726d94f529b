"""The page for a person: what it is told, and what a real browser makes of it."""

import os
import shutil
import subprocess
import threading

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from easymtl.server.checks import Limits
from easymtl.server.json_requests import arrays_of, read
from easymtl.server.page import description, example_row, page, request_body
from easymtl.server.signature import Signature, Tensor
from easymtl.server.warm_up import REQUESTS
from tests.server.tiny_export import INPUTS, ROW, open_desk

# Chromium must not look for hosts of its own in a network that is closed.
BROWSER_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Where there is no network, apt-get gives up soon, and fails instead of warning.
APT_FLAGS = ["-q", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20"]


def test_the_page_needs_nothing_from_elsewhere():
    text = page().decode()
    assert "src=" not in text and "//cdn" not in text and "@import" not in text
    assert "innerHTML" not in text, "names and texts of a model are shown, not run"


def test_it_is_told_the_inputs_with_types_and_a_row_of_missing_values(desk):
    said = description(desk)
    assert (said["model"], said["version"], said["step"]) == ("model", "3", 7)
    assert [one["name"] for one in said["inputs"]] == list(INPUTS)
    example = {one["name"]: one["example"] for one in said["inputs"]}
    assert example == {"user": "", "age": 0, "id": 0, "price": 1.5, "is_new": False, "tags": []}
    assert {one["name"]: one["type"] for one in said["inputs"]} == INPUTS


def test_the_example_is_the_first_row_of_the_warm_up_requests(loop, desk, folder, tmp_path):
    path = shutil.copytree(folder / "3", tmp_path / "4") / REQUESTS
    logs = [prediction_log_pb2.PredictionLog() for _ in range(2)]
    for log, user in zip(logs, ("no inputs", "u7")):
        log.predict_log.request.model_spec.name = "model"
        for name, value in (ROW | {"user": user, "id": 2**60, "tags": ["a", ""]}).items():
            log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto([value] * 2, INPUTS[name]))
    # A request that the model does not take is passed over.
    del logs[0].predict_log.request.inputs["age"]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    warmed = loop.run_until_complete(open_desk(path.parents[1]))
    model = warmed.versions.get()
    example = example_row(model, model.signatures["serving_default"])
    assert example == ROW | {"user": "u7", "id": 2**60, "tags": ["a"]}
    assert '"instances": [{"user": "u7"' in request_body(model.signatures["serving_default"], example)
    # A script would lose the last digits of a long number.
    assert description(warmed)["inputs"][2]["example"] == str(2**60)
    loop.run_until_complete(warmed.batcher.stop())


def test_a_request_has_the_rows_that_it_must_have():
    x, y = Tensor("x", "x:0", tf.string, (3,)), Tensor("y", "y:0", tf.float32, (3,))
    signature = Signature("other", {"x": x}, {"y": y})
    body = '{"signature_name": "other", "instances": ["a", "a", "a"]}'
    assert request_body(signature, {"x": "a"}) == body
    assert arrays_of(read(body.encode()), signature, Limits(9, 999, 1.0))[1] == 3


def chromium() -> str:
    """Returns the browser, which is installed where that is allowed; otherwise the test is skipped."""
    for _ in range(2):
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        if found:
            return found
        if not shutil.which("apt-get") or os.geteuid():
            break
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            try:
                subprocess.run(["apt-get", *APT_FLAGS, *arguments], stdin=subprocess.DEVNULL, check=True, timeout=300)
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"there is no chromium, and it cannot be installed: {error}")
    return pytest.skip("there is no chromium, and this user cannot install it (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def address(loop, desk):
    """A server in a thread, as the browser's driver blocks."""
    import uvicorn

    from easymtl.server.rest import application
    from easymtl.server.running import Server

    server = Server(uvicorn.Config(application(desk), port=0, lifespan="off", log_level="warning"))

    async def run():
        await server.serve()

    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    while not server.started:
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def shown(address):
    """The page in a browser, as soon as it shows scores."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_FLAGS)
        tab = browser.new_page()
        problems = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.goto(address)
        tab.wait_for_selector("#scores tr")
        yield tab
        browser.close()
        # A refused request is told by the console too.
        assert all("status of 400" in problem for problem in problems), problems


def cells(tab, table):
    """Returns the texts of a table, row by row."""
    return tab.eval_on_selector_all(
        f"{table} tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    )


def score(tab, name):
    return tab.inner_text(f'tr[data-name="{name}"] td.number')


def take(tab, text):
    tab.fill("#paste", text)
    tab.evaluate("document.getElementById('scores').replaceChildren()")
    tab.click("#take")
    tab.wait_for_selector("#scores tr, #error:not(:empty)")


@pytest.mark.slow
class TestInABrowser:
    def test_inputs_have_names_types_and_examples(self, shown):
        rows = [row[:2] for row in cells(shown, "#inputs")]
        assert ["price", "float32"] in rows and ["tags", "string list"] in rows
        assert shown.get_by_label("price").input_value() == "1.5"
        assert score(shown, "y_seconds") == "1.5000"

    @pytest.mark.parametrize(
        "text",
        [
            '{"user": "u1", "age": 30, "id": 4611686018427387903, "price": 2.5, "is_new": true, "tags": ["a", "b"]}',
            '{"instances": [{"user": "u1", "age": 30, "id": 4611686018427387903, "price": 2.5, "tags": ["a", "b"]}]}',
            'price,age,id,user,tags\n2.5,30,4611686018427387903,"u1",a|b',
            'u1,30,4611686018427387903,2.5,true,"[""a"", ""b""]"',
        ],
        ids=["a row", "a request", "CSV with a header", "CSV"],
    )
    def test_a_pasted_row_is_scored(self, shown, text):
        take(shown, text)
        assert shown.inner_text("#error") == ""
        assert score(shown, "y_seconds") == "32.500"
        assert score(shown, "kinds[1]") == "2"
        width = shown.locator('tr[data-name="probs_click"] .bar i').evaluate("bar => bar.style.width")
        assert float(width.rstrip("%")) == pytest.approx(58.05, abs=0.01)
        # Long numbers keep their digits on the way through the page.
        assert "4611686018427387903" in shown.inner_text("#curl")

    def test_what_is_not_pasted_is_missing_and_told(self, shown):
        take(shown, '{"user": "u1", "colour": "red"}')
        assert "Taken as missing: age, id, price" in shown.inner_text("#note")
        assert "No inputs: colour." in shown.inner_text("#note")
        assert score(shown, "y_seconds") == "1.5000"

    def test_a_mistake_is_shown_in_the_words_of_the_server(self, shown):
        shown.get_by_label("age").fill("ten")
        shown.click("#score")
        shown.wait_for_selector("#error:not(:empty)")
        assert 'input "age": row 0' in shown.inner_text("#error")
        shown.get_by_label("age").fill("1")

    def test_what_if(self, shown):
        take(shown, '{"user": "<b>u</b>", "age": 1}')
        shown.select_option("#field", label="age")
        shown.fill("#values", "0, 10, 30")
        shown.click("#vary")
        shown.wait_for_selector("#vary_body tr:nth-child(3)")
        rows = cells(shown, "#vary_body")
        seconds = cells(shown, "#vary_head")[0].index("y_seconds")
        assert [row[0] for row in rows] == ["0", "10", "30"]
        assert [row[seconds] for row in rows] == ["1.5000", "11.500", "31.500"]
        # A name of the data is a text, whatever it holds.
        assert shown.locator("#inputs b").count() == 0

    def test_the_request_works_in_a_shell(self, shown):
        if not shutil.which("curl"):
            pytest.skip("there is no curl")
        take(shown, '{"user": "it\'s $HOME", "age": 3}')
        done = subprocess.run(["sh", "-c", shown.inner_text("#curl")], capture_output=True, text=True, check=True)
        assert '"feature_user": "it\'s $HOME"' in done.stdout and '"y_seconds": 4.5' in done.stdout
