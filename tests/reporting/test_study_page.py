"""The page about a study."""

import re

import pytest

from easymtl.errors import UserError
from easymtl.reporting.study_page import is_study, study_page, write_study_report
from easymtl.reporting.study_results import write_result


def row(number: int, values: list[float], state: str = "complete", **more) -> dict:
    return {
        "number": number, "state": state, "settings": {"num_expert": str(number + 2)}, "drawn": {}, "values": values,
        "spread": [0.0] * len(values), "seeds": [values], "metrics": {}, "seconds": 61.0, "note": "",
        "intermediate": {"10": 0.5, "20": values[0]} if values else {}, "folder": f"trial_{number:03}", **more,
    }  # fmt: skip


def study(rows: list[dict], *objectives: tuple[str, bool], best=(0,), importance=None) -> dict:
    return {
        "made_of": {"config": "", "space": "", "--metric": "", "--seeds": "1"},
        "config": "shop.config",
        "objectives": [{"name": name, "bigger": bigger} for name, bigger in objectives],
        "trials": rows,
        "best": list(best),
        "compromise": best[0] if best else None,
        "importance": importance or {},
    }


def texts(page: str) -> list[str]:
    return [text.strip() for text in re.findall(r">([^<]+)<", page) if text.strip()]


def test_a_page_tells_the_trials_the_best_first():
    rows = [row(0, [0.6]), row(1, [0.7]), row(2, [0.5], "pruned"), row(3, [], "failed", note="x.config:3: <wrong>")]
    page = study_page(study(rows, ("auc", True), best=(1,), importance={"auc": {"num_expert": 1.0}}), "my_study")
    found = texts(page)
    assert "2 complete, 1 pruned, 1 failed" in found and "trial 1: 0.70000" in found and "4:04" in found
    trials = page[page.index('id="trials"') :]
    assert re.findall(r"<tr><td>(\d+)</td>", trials) == ["1", "0", "2", "3"]
    assert "x.config:3: &lt;wrong&gt;" in trials
    for heading in ("Way of the search", "What mattered", "Evaluations"):
        assert heading in found
    assert "Pareto front" not in found
    evaluations = page[page.index('id="evaluations"') : page.index('id="trials"')]
    assert 'class="grid-of"' in evaluations, "a chart is as large as others, however wide the window is"


def test_what_is_best_so_far_goes_by_the_direction():
    rows = [row(0, [0.6]), row(1, [0.7]), row(2, [0.5])]
    more = study_page(study(rows, ("auc", True)), "s")
    less = study_page(study(rows, ("loss", False)), "s")
    heights = [
        [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", re.search(r'<path d="(M[^"]+)" class="line"', page)[1])]
        for page in (more, less)
    ]
    up, down = heights
    # Up is a smaller number in SVG; two corners for each trial, so that the line goes in steps.
    assert up[0] == up[1] == up[2] > up[3] == up[4] == up[5]
    assert down[0] == down[1] == down[2] == down[3] == down[4] < down[5]


def test_a_front_is_drawn_by_its_members():
    rows = [row(0, [0.6, 0.3]), row(1, [0.7, 0.4]), row(2, [0.5, 0.5])]
    page = study_page(study(rows, ("auc_a", True), ("loss", False), best=(0, 1)), "s")
    front = page[page.index('id="front"') : page.index('id="history"')]
    assert [front.count(f"<title>{name} ") for name in ("best.config", "front", "trials")] == [1, 1, 1]
    assert re.findall(r'class="beside">(\d+)<', front) == ["1", "0"], "the numbers of the trials of the front"
    assert "auc_a (more is better)" in front and "loss, less is better" in front
    assert "2 trials; best.config is trial 0" in texts(page)


def test_values_tried_have_a_chart_each_by_what_mattered():
    settings = [("0.0001", "[64]"), ("0.003", "[128]"), ("0.01", "[64]")]
    rows = [row(place, [0.5 + place / 10]) for place in range(3)]
    for one, (rate, experts) in zip(rows, settings):
        one["settings"] = {"constant": "1", "rate": rate, "experts": experts}
    rows.append(row(3, [0.4], "pruned"))
    rows[3]["settings"] = {"constant": "1", "rate": "0.001", "experts": "[128]"}
    importance = {"auc": {"experts": 0.7, "rate": 0.3}}
    page = study_page(study(rows, ("auc", True), best=(2,), importance=importance), "s")
    tried = page[page.index('id="tried"') : page.index('id="evaluations"')]
    assert re.findall(r"<figcaption><b>([^<]+)", tried) == ["experts", "rate"], "of one value there is nothing to see"
    of_experts, of_rate = tried.split("<figure>")[1:]
    assert re.findall(r'text-anchor="middle">([^<]+)', of_experts) == ["[128]", "[64]"]
    assert "0.001" in re.findall(r'text-anchor="middle">([^<]+)', of_rate), "ticks of ratios"
    for name, number in (("pruned", 1), ("trials", 2), ("best", 1)):
        assert of_rate.count(f"<title>{name} ") == number


def test_the_diff_is_shown_as_text_and_pages_without_trials_are_pages():
    page = study_page(study([], ("auc", True), best=()), "s", "--- a\n+++ b\n@@ -1 +1 @@\n x\n-a: 1\n+a: <2>\n")
    assert "<del>-a: 1</del>" in page and "<ins>+a: &lt;2&gt;</ins>" in page
    assert "none" in texts(page)


def test_a_folder_without_a_study_is_told(tmp_path):
    assert not is_study(tmp_path)
    with pytest.raises(UserError, match=r"there is no study\.json"):
        write_study_report(tmp_path, tmp_path / "x.html")
    write_result(tmp_path, study([row(0, [0.6])], ("auc", True)))
    assert is_study(tmp_path)
    write_study_report(tmp_path, tmp_path / "x.html")
    assert "trial 0: 0.60000" in (tmp_path / "x.html").read_text()
