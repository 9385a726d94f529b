"""Parts as a person sees them, and in TensorBoard."""

from itertools import count

from easymtl.reporting.part_summaries import PartSummaries
from easymtl.reporting.part_table import print_parts, print_scored
from easymtl.training.events import PartScored, PartTrained
from tests.reporting.test_tables import lines  # noqa: F401  A fixture.

METRICS = {"auc_click": 0.7, "gauc_click": 0.6, "auc_buy": None, "cross_entropy_loss_click": 0.4, "loss": 0.9}


def trained(number=2, **more):
    named = {"metrics": METRICS, "labels": {"click": 0.2}, "scores": {"click": 0.25}, **more}
    return PartTrained(f"dt=2026-01-0{number}", number, 5, 1_234, 1_300, **named)


def printed(lines, *arguments):  # noqa: F811
    return lines(lambda *given, terminal: arguments[0](terminal, *arguments[1:]))


def test_a_row_has_the_first_metric_of_each_task_and_both_means(lines):  # noqa: F811
    first = trained(1, metrics={}, scores={})
    late = trained(is_late=True, is_whole=False)
    found = printed(lines, print_parts, [first, late], ["click", "buy"])
    assert [cell.strip() for cell in found[0].split("|")] == [
        "part",
        "rows",
        "step",
        "auc_click",
        "auc_buy",
        "loss",
        "click label / score",
    ]
    assert [cell.strip() for cell in found[2].split("|")] == [
        "dt=2026-01-01",
        "1,300",
        "1,234",
        "-",
        "-",
        "-",
        "0.20000 / -",
    ]
    assert found[3].startswith("dt=2026-01-02 (late) (not whole)") and "0.20000 / 0.25000" in found[3]


def test_what_was_found_says_whether_there_was_a_model(lines):  # noqa: F811
    scored = PartScored("dt=2026-01-02", 2, 1_300, METRICS, {"click": 0.2}, {"click": 0.25}, drift=("moved.",))
    found = printed(lines, print_scored, scored, ["click", "buy"])
    assert found[0] == "Part 2, dt=2026-01-02: 1,300 rows scored before it is trained on"
    assert found[-1] == "Warning: dt=2026-01-02: moved."
    first = PartScored("dt=2026-01-01", 1, 1, {}, {"click": 0.2}, {})
    assert printed(lines, print_scored, first, ["click"]) == [
        "Part 1, dt=2026-01-01: 1 row read: there is no model yet that could score it"
    ]


def test_a_part_that_a_killed_process_has_told_is_told_anew(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # Files are told apart by the second; processes are further apart than that.
    seconds = count(1_800_000_000, 10)
    monkeypatch.setattr("easymtl.reporting.event_files.time.time", lambda: next(seconds))
    for number, told in ((1, 0), (2, 1), (2, 1), (3, 2)):
        summaries = PartSummaries(tmp_path, ["click", "buy"], told)
        summaries(trained(number, counts={"city": {"missing": 130}}))
        summaries.close()
    board = EventAccumulator(str(tmp_path / "summaries" / "parts")).Reload()
    assert [(one.step, round(one.value, 3)) for one in board.Scalars("share_missing/city")] == [
        (1, 0.1),
        (2, 0.1),
        (3, 0.1),
    ]
    assert "auc/buy" not in board.Tags()["scalars"] and "mean_score/click" in board.Tags()["scalars"]
