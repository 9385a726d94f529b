"""Segments in the terminal and as JSON."""

import json

from easymtl.reporting.segments import print_segments, write_segments
from easymtl.reporting.terminal import open_terminal
from easymtl.scoring.bootstrap import Estimate
from easymtl.scoring.segments import Segment

NAN = float("nan")
FOUND = [
    Segment("city", "Ulm", 20, "ctr", "auc_ctr", "auc", Estimate(0.75, 0.5, 1.0), 0.25, 0.5),
    Segment("city", "(missing)", 1, "ctr", "auc_ctr", "auc", Estimate(NAN), NAN, 0.5),
    Segment("hour", "7", 21, "ctr", "auc_ctr", "auc", Estimate(0.5, 0.25, 0.75), 0.25, 0.5),
]


def test_what_is_not_defined_is_null(tmp_path):
    write_segments(str(tmp_path / "s.json"), FOUND)
    text = (tmp_path / "s.json").read_text()
    assert "NaN" not in text
    first, missing, _ = json.loads(text)
    assert first == {
        **{"column": "city", "value": "Ulm", "rows": 20, "task": "ctr", "metric": "auc", "result": "auc_ctr"},
        **{"estimate": 0.75, "low": 0.5, "high": 1.0, "mean_label": 0.25, "mean_score": 0.5},
    }
    assert [missing[name] for name in ("estimate", "low", "high", "mean_label")] == [None] * 4


def test_each_column_has_a_table(make_pipe):
    pipe = make_pipe()
    print_segments(FOUND, open_terminal(pipe))
    lines = [line.split() for line in pipe.text().splitlines()]
    assert ["auc_ctr", "by", "city"] in lines and ["auc_ctr", "by", "hour"] in lines
    assert ["Ulm", "20", "0.75000", "0.50000", "1.0000"] in lines and ["(missing)", "1"] in lines
