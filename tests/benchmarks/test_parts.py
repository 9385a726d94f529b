"""`make bench` measures its parts in processes of their own and puts together what they found."""

import argparse

import pytest

from benchmarks import parts
from benchmarks.workloads import WORKLOADS


def part(peak: int | None, **found: dict) -> dict:
    machine = {"date": "2026-01-02", "peak_bytes": peak}
    return {"machine": machine, "workloads": {}, "scaling": {}, "commands": {}, **found}


def test_all_parts_are_measured_in_their_order_or_those_that_are_asked_for():
    assert parts.part_names("") == [*(workload.name for workload in WORKLOADS), *parts.OTHERS]
    assert parts.part_names("commands,taobao_dbmtl") == ["taobao_dbmtl", "commands"]
    with pytest.raises(SystemExit, match="taobao is not known: choose from taobao_dbmtl, "):
        parts.part_names("taobao")


def test_what_processes_found_is_put_together_with_the_bars_and_the_largest_peak():
    found = [
        part(3, commands={"--help": [0.1]}),
        part(7, scaling={"histories": {"ratios": [1.5]}}),
        part(5, scaling={"experts": {"seconds": {}, "weights": {}}}),
    ]
    joined = parts.joined(found, 0.25)
    assert joined["machine"] == {"date": "2026-01-02", "load": 0.25, "peak_bytes": 7}
    assert list(joined["scaling"]) == ["histories", "experts"]
    met = {bar["number"]: bar["is_met"] for bar in joined["bars"] if "median" in bar}
    assert met == {"S12": True, "S20": True}
    assert parts.joined([*found, part(None)], 0.0)["machine"]["peak_bytes"] is None


def test_a_part_is_given_what_the_run_was(tmp_path):
    from benchmarks.speed import _options

    run = _options(["--rounds", "2", "--seconds", "3", "--large_rows", "5", "--peers", "p"])
    command = parts._command("experts", run, tmp_path / "x.json", tmp_path / "data", begin=0.0)
    given: argparse.Namespace = _options(command[3:])
    assert (given.part, given.rounds, given.seconds, given.large_rows, given.peers) == ("experts", 2, 3.0, 5, "p")
    assert (given.out, given.data, given.elapsed > 0) == (str(tmp_path / "x.json"), str(tmp_path / "data"), True)
