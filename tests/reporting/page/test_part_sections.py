"""The section of a page on data that came day after day."""

import json

from easymtl.config.config import parse_config
from easymtl.reporting.event_records import event_record
from easymtl.reporting.page.part_sections import parts
from easymtl.reporting.part_records import FILE
from easymtl.reporting.run_history import RunHistory
from easymtl.reporting.runs import Run
from easymtl.training.events import PartTrained
from tests.errors.project import CONFIG


def run(folder, name="a", number=3) -> Run:
    (folder / name).mkdir()
    events = [
        PartTrained(
            f"dt=2026-01-0{n}", n, n, n + 1, 100, {"auc_ctr": 0.5 + n / 10, "loss": 1.0}, {"ctr": 0.25}, {"ctr": 0.2}
        )
        for n in range(1, number + 1)
    ]
    lines = [json.dumps(event_record(event)) for event in events]
    (folder / name / FILE).write_text("\n".join([*lines, lines[-1][:40]]) if lines else "")
    return Run(name, str(folder / name), parse_config(CONFIG, "x.config"), RunHistory())


def titles(section) -> list[str]:
    return [one.text for one in section.iter("title")]


def test_each_task_has_its_metric_and_its_means_by_part(tmp_path):
    section = parts([run(tmp_path)])
    assert "ctr: auc over part" in titles(section) and "ctr: mean over part" in titles(section)
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in section.iter("tr")]
    assert rows[1] == ["dt=2026-01-01", "1", "100", "0.60000", "1.0000", "0.25000", "0.20000"] and len(rows) == 4


def test_runs_that_followed_nothing_have_no_such_section_and_are_left_out_beside_others(tmp_path):
    plain = run(tmp_path, "plain", number=0)
    assert parts([plain]) is None
    section = parts([plain, run(tmp_path, "daily")])
    assert len(list(section.iter("details"))) == 1
