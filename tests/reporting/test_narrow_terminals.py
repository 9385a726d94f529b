"""Nothing breaks within a word: what every command prints, in terminals of 80 and 60 columns, with long names."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from easymtl.reporting.formats import folded
from easymtl.reporting.importance import print_importance
from easymtl.reporting.segments import print_segments
from easymtl.reporting.tables import key_values, print_counts, print_metrics, print_table
from easymtl.reporting.terminal import open_terminal, print_line
from easymtl.scoring.bootstrap import Estimate
from easymtl.scoring.importance import Importance, Ranking
from easymtl.scoring.segments import Segment

PATH = "/a/path/that/is/longer/than/a/line/" + "folder/" * 12 + "eval.parquet"
TOWERS = ["probability_of_a_purchase_within_seven_days", "is_click", "watch_time_in_seconds_of_the_session"]
METRICS = {
    **{f"auc_{tower}": 0.7 for tower in TOWERS},
    **{f"mean_absolute_error_{tower}": 0.6 for tower in TOWERS},
    **{f"cross_entropy_loss_{tower}": 12345.6 for tower in TOWERS},
    "loss": 1.0,
}
FEATURES = [f"number_of_{noun}_of_the_user_in_the_last_thirty_days" for noun in ("clicks", "purchases", "visits")]
PACKAGE = Path(__file__).parents[2] / "easymtl"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(params=[80, 60])
def printed(request, make_terminal, monkeypatch):
    """Returns what prints something to a terminal, and looks at whether all words are whole."""
    monkeypatch.setenv("COLUMNS", str(request.param))

    def printed(show, *words: str) -> list[str]:
        stream = make_terminal()
        show(open_terminal(stream))
        lines = COLOURS.sub("", stream.getvalue()).splitlines()
        for line in lines:
            assert len(line.rstrip()) <= request.param or len(line.split()) <= 2, f"too long: {line!r}"
        found = {word for line in lines for word in line.split()}
        missing = [word for text in words for word in text.split() if word not in found]
        assert not missing, f"broken: {missing}"
        return lines

    return printed


def test_lines(printed):
    text = f"Warning: the files of {PATH} are well-known to hold no rows of the evaluation, so it is left out."
    printed(lambda terminal: print_line(terminal, text), text)


def test_metrics(printed):
    lines = printed(lambda terminal: print_metrics(METRICS, TOWERS, terminal), *TOWERS, "mean_absolute_error", "12,346")
    assert any(line.replace(TOWERS[0], "").split() == ["auc", "0.70000"] for line in lines), "a line for each result"


def test_counts(printed):
    counts = {name: {"missing": 123_456, "unknown": 12, "out_of_range": 7} for name in FEATURES}
    printed(lambda terminal: print_counts(counts, 1_000_000, 3, terminal), *FEATURES, "123,456 (12 %)")


def test_names_and_values(printed):
    values = {"SavedModel": PATH, "inputs": ", ".join(f"{name} string" for name in FEATURES), "rows": 1_200_000}
    lines = printed(lambda terminal: key_values(values, terminal, "Exported"), PATH, "1,200,000")
    assert lines[0].strip() == "Exported"
    assert all(line.startswith("    ") for line in lines if "thirty_days" in line and "inputs" not in line), (
        "what goes on stands further in"
    )


def test_rankings(printed):
    found = tuple(Importance(TOWERS[0], name, f"auc_{TOWERS[0]}", 0.7, 0.1234, 0.01, 0.2) for name in FEATURES)
    printed(lambda terminal: print_importance(Ranking(found, ("one is not defined.",)), terminal), *FEATURES, "0.12340")


def test_tables_of_texts_break_their_lines_between_words(printed):
    rows = [["loaded", "3", "experts/expert_0/kernel, experts/expert_1/kernel, towers/ctr/kernel"]]
    lines = printed(lambda terminal: print_table(terminal, ["weights", "number", "names"], rows, num_left=3), *rows[0])
    assert lines[0].split() == ["weights", "number", "names"], "it is a table still"


def test_a_table_that_cannot_be_is_told_row_by_row(printed):
    rows = [[FEATURES[0], "x" * 40, "1.0"], [FEATURES[1], "", "2.0"]]
    lines = printed(lambda terminal: print_table(terminal, ["feature", "what", "worse by"], rows), *rows[0], "2.0")
    assert [line.split() for line in lines] == [
        [FEATURES[0]], ["what", "x" * 40], ["worse", "by", "1.0"], [FEATURES[1]], ["worse", "by", "2.0"],
    ]  # fmt: skip


def test_long_lists_are_folded():
    names = [f"n{number}" for number in range(39)]
    assert folded(names, "all on the page") == "n0, n1, n2, n3, n4, n5 ... and 33 more (all on the page)"
    assert folded(names[:7]) == "n0, n1, n2, n3, n4, n5, n6"
    assert folded([]) == ""


def test_what_verify_has_found(printed):
    from easymtl.verbs.verify import _print_findings
    from easymtl.ways.comparing import Difference
    from easymtl.ways.verifying import Finding

    output = f"probs_{TOWERS[0]}"
    findings = [
        Finding("tensorflow", "serving_default", Difference(1000)),
        Finding("openvino", "encoded_user_once", Difference(1000, 0.01, output, 1e-5, f"{output} of row 3 is 0.1")),
    ]
    absent = {"triton": "it is not installed: pip install tritonserver"}
    printed(lambda terminal: _print_findings(findings, absent, terminal), output, "DIFFERS", "serving_default")


def test_what_a_comparison_has_found(printed):
    from easymtl.scoring.comparing import Difference
    from easymtl.verbs.compare import _print

    names = [f"auc_{tower}" for tower in TOWERS]
    found = Difference((0.95, 0.951), (0.951, 0.952), error=0.0004, low=0.00021, high=0.00221, of_seeds=0.3)
    sides = [[SimpleNamespace()] * 2] * 2
    lines = printed(
        lambda terminal: _print(dict.fromkeys(names, found), sides, terminal),
        *names,
        "0.95050 0.95150 +0.00100 0.00040 +0.00021 to +0.00221 better",
        "standard error",
    )
    assert any("30% to 30%" in line for line in lines)


def test_metrics_by_segment(printed):
    value = "www.international-shopping-news.example"
    estimate = Estimate(12345.6, 0.9, 1.125)
    found = [Segment("referrer_domain", value, 1234, TOWERS[0], f"rmse_{TOWERS[0]}", "root_mean_squared_error",
                     estimate, 0.1, 0.2)]  # fmt: skip
    words = [value, f"rmse_{TOWERS[0]}", "root_mean_squared_error", "1,234 12,346 0.90000 1.1250"]
    printed(lambda terminal: print_segments(found, terminal), *words)


def test_tables_are_printed_by_print_table_or_where_they_fit():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and path.name != "tables.py":
                calls = {node.func.id for node in ast.walk(function) if _is_call_by_name(node)}
                if "make_table" in calls:
                    found[f"{path.relative_to(PACKAGE)}: {function.name}"] = "fits" in calls
    assert found and all(found.values()), f"prints a table that a narrow terminal breaks: {found}"


def _is_call_by_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_what_an_export_is(printed, monkeypatch):
    from easymtl.reporting.exports import print_export

    done = SimpleNamespace(
        path=Path(PATH),
        checkpoint=SimpleNamespace(step=100, path=Path(PATH)),
        inputs={f"{FEATURES[number % 3]}_{number}": "string" for number in range(39)},
        shapes={"a": [None]},
        line=None,
        missing={f"{FEATURES[number % 3]}_{number}": "" for number in range(39)},
        padding={},
        constants={},
        outputs=[f"probs_{tower}" for tower in TOWERS],
        signatures=["serving_default", "tf_example"],
        formats={},
        parity=SimpleNamespace(num_rows=1000, num_blanked=72, largest_difference=0.0, tolerance=1e-5),
        placement={},
        narrowing=None,
        sizes=None,
        precision=None,
    )
    monkeypatch.setattr("easymtl.reporting.exports.narrowing_lines", lambda done: {})
    lines = printed(lambda terminal: print_export(done, terminal), PATH, f"probs_{TOWERS[2]}", "33", "more")
    assert "all in assets.extra/signatures.json" in " ".join(" ".join(lines).split())
    assert len(lines) < 40
