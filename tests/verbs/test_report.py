"""`easymtl report`: from trainings to a page, whatever is there of them."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from easymtl.cli import main
from easymtl.reporting.event_records import event_record
from easymtl.reporting.report import write_report
from easymtl.reporting.runs import Wishes, run_names
from easymtl.reporting.study_results import write_result
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.reporting.test_study_page import row, study
from tests.server.test_page import BROWSER_FLAGS, chromium
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

EVIL = "<script>alert('x')</script>"
LONG_WORD = "train_config." + "a_long_name." * 9 + "learning_rate"
OUT_OF_CHARTS = """() => [...document.querySelectorAll("figure svg text")].filter(text => {
  const own = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
  return own.width && (own.left < all.left - 1 || own.right > all.right + 1);
}).map(text => text.textContent)"""


def train_with_history(folder: Path, *overrides: str) -> Path:
    """Trains, writes down what happens, and returns the model_dir."""
    config = small_config(folder, "train_config.log_gradient_conflict_every=1", *overrides)
    model_dir = Path(config.pipeline.model_dir)
    told: list[events.Event] = [events.Phase("building")]
    trainer = Trainer(config, told.append)
    trainer.run()
    weights = {"ctr": {"expert_0": 0.996, "expert_1": 0.004}, EVIL: {"expert_0": 0.5, "expert_1": 0.5}}
    told += [events.Gates(6, weights), events.Note(EVIL), events.Note(LONG_WORD)]
    lines = [json.dumps({**event_record(event), "time": 10.0 * place}) for place, event in enumerate(told)]
    (model_dir / "history.jsonl").write_text("\n".join(lines) + "\n")
    return model_dir


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """Two trainings on the same data."""
    folder = tmp_path_factory.mktemp("report")
    write_data(folder)
    rename = f"feature_config.features[0].feature_name={EVIL}"
    group = f'model_config.feature_groups[0].feature_names=["{EVIL}", "tags", "price"]'
    one = train_with_history(folder, rename, group, f"model_dir={folder}/one")
    return one, train_with_history(folder, "train_config.seed=6", f"model_dir={folder}/other")


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.words = ""
        self._is_heading = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._is_heading = tag == "h2"

    def handle_data(self, data):
        self.words += f"{data}\n"
        if self._is_heading:
            self.headings.append(data)
            self._is_heading = False


def report(folder: Path, *arguments: object) -> Page:
    assert main(["report", *map(str, arguments), "--out", str(folder / "r.html"), "--importance_rows", "30"]) == 0
    return Page((folder / "r.html").read_text())


@pytest.mark.slow
def test_all_parts_of_a_training(runs, tmp_path, capsys):
    page = report(tmp_path, runs[0], "--by", "item,price")
    assert page.headings == [
        "Summary", "Metrics", "Learning curves", "Scores and labels", "Segments", "Gates", "Gradient conflict",
        "Network", "Features", "Time", "Notes of the training", "Config",
    ]  # fmt: skip
    assert (tmp_path / "r.html").stat().st_size < 1 << 20
    assert "Wrote" in capsys.readouterr().out
    assert "auc_ctr" in page.words and 'The gate "ctr" hardly draws on "expert_1".' in page.words
    assert "By item" in page.words and "dead" in page.words


@pytest.mark.slow
def test_names_of_the_data_are_texts(runs, tmp_path):
    page = report(tmp_path, runs[0])
    assert "script" not in page.tags
    assert page.words.count(EVIL) >= 3, "the gate, the note, the feature"


@pytest.mark.slow
def test_metrics_are_those_of_the_scores(runs, tmp_path):
    (run,) = write_report([str(runs[1])], tmp_path / "r.html", Wishes(rows=50, importance_rows=0))
    scored = run.rows.scored[0]
    assert run.rows.num_rows == run.evaluation.num_examples == 50 and run.importance is None
    auc = roc_auc_score(scored.labels > 0, scored.predictions)
    assert run.evaluation.metrics["auc_ctr"] == pytest.approx(auc)
    assert f"{auc:.5f}" in (tmp_path / "r.html").read_text()


@pytest.mark.slow
def test_several_runs_side_by_side(runs, tmp_path):
    page = report(tmp_path, *runs)
    assert "other minus one" in page.words and "one → other" in page.words
    assert "+  seed: 6" in page.words and "-  seed: 5" in page.words
    assert "other rows" not in page.words, "the same rows: differences have intervals"
    for name in ("one, training", "one, evaluation", "other, training", "other, evaluation"):
        assert name in page.words


@pytest.mark.slow
def test_what_is_not_there_is_said_and_the_rest_is_shown(runs, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(runs[1], bare)
    (bare / "history.jsonl").unlink()
    text = (bare / "pipeline.config").read_text()
    (bare / "pipeline.config").write_text(
        re.sub(r'eval_input_path: ".*"', f'eval_input_path: "{tmp_path}/gone.csv"', text)
    )
    page = report(tmp_path, bare)
    assert "no history.jsonl is in its model_dir" in page.words and "Learning curves" in page.headings
    assert "The evaluation data are not there" in page.words and "Scores and labels" not in page.headings
    assert "Warning: bare: The evaluation data are not there" in capsys.readouterr().out
    shutil.rmtree(bare / "checkpoints")
    page = report(tmp_path, bare)
    assert "There is no model to score with" in page.words and page.headings == [
        "Summary",
        "Gradient conflict",
        "Config",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{here}"], "there is no pipeline.config in it"),
        (["{here}", "--out", "r.txt"], 'has to end in ".html"'),
        (["{here}", "--out", "s3://b/r.html"], "is no local file"),
        (["{here}", "--rows", "-1"], "--rows: -1 is too small; 0 is all."),
        (["{run}", "--input", "{here}/nothing.csv"], "nothing.csv"),
        (["{run}", "--by", "itm"], 'Did you mean "item"?'),
        (["{run}", "--out", "{run}/checkpoints/r.html"], "which a model is read from"),
        (["{run}/.."], "There are trainings in it: name {run}/../one or {run}/../other."),
    ],
)
@pytest.mark.slow
def test_mistakes(runs, tmp_path, arguments, says, capsys):
    given = [one.format(here=tmp_path, run=runs[0]) for one in arguments]
    assert main(["report", *given, *([] if "--out" in given else ["--out", f"{tmp_path}/r.html"])]) == 2
    assert says.format(run=runs[0]) in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_what_is_mistyped_is_told_before_anything_is_scored(tmp_path, capsys, monkeypatch):
    def started():
        raise AssertionError("the model is not to be built")

    monkeypatch.setattr("easymtl.verbs.report.start_tensorflow", started)
    write_data(tmp_path)
    config = small_config(tmp_path, f"model_dir={tmp_path}/run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/pipeline.config").write_text(config.text())
    (tmp_path / "file").write_text("")
    report = ["report", f"{tmp_path}/run", "--out"]
    assert main([*report, f"{tmp_path}/file/r.html"]) == 2
    assert f"--out {tmp_path}/file/r.html: cannot be written: {tmp_path}/file takes no files" in capsys.readouterr().err
    assert main([*report, f"{tmp_path}/new/r.html", "--by", "prce"]) == 2
    assert 'Did you mean "price"?' in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_names_of_runs_are_as_long_as_it_takes():
    assert run_names(["a/x", "b/y"]) == ["x", "y"]
    assert run_names(["a/x", "b/x", "b/y"]) == ["a/x", "b/x", "b/y"]
    assert run_names(["a/x", "a/x"]) == ["x (1)", "x (2)"]


@pytest.fixture(scope="module")
def browser():
    """A browser for all pages."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module", params=["runs", "study"])
def page_file(request, runs, tmp_path_factory) -> Path:
    """A page of two trainings with a long word in a note, and one of a study."""
    folder = tmp_path_factory.mktemp("pages")
    given: list[object] = [*runs, "--by", "item"]
    if request.param == "study":
        rows = [row(number, [0.6 + number / 100, 0.3], settings={"rate": str(2.0**number)}) for number in range(8)]
        rows += [row(8, [], "failed", note=LONG_WORD)]
        write_result(folder, study(rows, ("auc", True), ("loss", False), importance={"auc": {"rate": 1.0}}))
        (folder / "diff.txt").write_text(f"--- a\n+++ b\n@@ -1 +1 @@\n-a: 1\n+a: {LONG_WORD}\n")
        given = [folder]
    report(folder, *given)
    return folder / "r.html"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_in_a_browser(browser, page_file, width, scheme):
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page_file.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, "tables scroll by themselves"
    assert tab.locator("figure svg").count() > 4 and tab.locator("script").count() == 0
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 27)")
    assert tab.evaluate(OUT_OF_CHARTS) == [], "a text that is cut off"
    tab.emulate_media(media="print", color_scheme=scheme)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(tab.pdf(format="A4")) > 20_000
    tab.close()
    assert said == [] and len(asked) == 1, "nothing is loaded from elsewhere"
