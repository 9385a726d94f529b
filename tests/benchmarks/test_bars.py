"""Bars say what was measured, what is asked, and whether it is there; what was left out decides nothing."""

import copy

import pytest

from benchmarks import plot, speed, tables
from benchmarks.bars import Bar, bars, per_weight, quotients


def measured(precision: str, **rates: list[float]) -> dict:
    names = {name.replace("_", " "): values for name, values in rates.items()}
    return {"precision": precision, "rates": names, "wait_shares": {"csv": [0.01, 0.02, 0.03]}}


@pytest.fixture
def found() -> dict:
    fast = measured(
        "BFLOAT16",
        products=[40.0, 50.0, 60.0],
        roofline=[40.0, 43.75, 50.0],
        step=[32.0, 35.0, 45.0],
        training_from_csv=[31.0, 33.0, 44.0],
        training_from_parquet=[32.0, 35.0, 45.0],
        evaluation=[60.0, 66.0, 90.0],
        prediction=[20.0, 22.0, 24.0],
    )
    slow = measured("FLOAT32", products=[20.0] * 3, step=[12.0] * 3, training_from_csv=[10.0, 11.0, 12.0])
    started = {"first_step_seconds": 8.0, "peak_bytes": 1_400_000_000, "precision": "BFLOAT16"}
    peers = {"DeepCTR": {"rates": [8.0, 7.0, 9.0], "weights": 5}}
    return {
        "machine": {
            "date": "2026-01-02",
            "cores": 2,
            "processor": "a processor",
            "tensorflow": "2.21.0",
            "load": 0.1,
            "rounds": 3,
            "seconds": 600.0,
        },
        "workloads": {
            "taobao_dbmtl": {
                "batch_size": 4096,
                "weights": 1_000_000_000,
                "started": started,
                "precisions": {"AUTO": fast, "FLOAT32": slow},
                "peers": peers,
            }
        },
        "scaling": {
            "vocabulary": {"width": 16, "seconds": {"100000": [1.0, 2.0, 1.0], "20000000": [1.1, 2.1, 1.3]}},
            "histories": {"ratios": [1.5, 1.54, 1.7]},
            "experts": {"weights": {"4": 10, "32": 40}, "seconds": {"4": [1.0, 1.0], "32": [4.2, 4.8]}},
        },
        "commands": {"--help": [0.2, 0.31, 0.25], "check": [1.5, 1.2, 1.1]},
    }


def of(found: dict, number: str) -> list[Bar]:
    return [bar for bar in bars(found) if bar.number == number]


def test_all_bars_are_there_in_order(found):
    numbers = [bar.number for bar in bars(found)]
    assert list(dict.fromkeys(numbers)) == [f"S{number}" for number in range(1, 23)]


def test_ratios_are_taken_within_a_round(found):
    assert quotients([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    over_peer = of(found, "S3")[0]
    assert list(over_peer.values) == [4.0, 5.0, 5.0]
    assert (over_peer.median, over_peer.bar, over_peer.is_met) == (5.0, 3.0, True)


def test_a_step_is_held_against_its_products_in_its_own_precision(found):
    auto, float32 = of(found, "S4")
    assert auto.values == [0.8, 0.7, 0.75]
    assert float32.median == 0.6
    assert (auto.is_met, float32.is_met) == (True, False)


def test_a_step_is_held_against_its_products_and_bytes_where_they_were_measured(found):
    auto, float32 = of(found, "S19")
    assert auto.values == pytest.approx([0.8, 0.8, 0.9])
    assert auto.is_met
    assert (float32.values, float32.is_met) == ([], None)
    table = tables.workload_table(found, "taobao_dbmtl")
    assert "| step / products and unavoidable bytes | 0.80 (0.80 to 0.90) | - |" in table


def test_training_is_held_against_the_step(found):
    csv, parquet = of(found, "S5")
    assert csv.median == pytest.approx(31 / 32)
    assert (csv.bar, parquet.bar, parquet.median) == (0.92, 0.95, 1.0)


def test_a_bar_that_must_not_be_exceeded(found):
    (growth,) = of(found, "S6")
    assert growth.median == pytest.approx(1.1)
    assert growth.is_most and growth.is_met
    assert Bar("S6", "", [1.2], 1.15, is_most=True).is_met is False


def test_experts_are_compared_by_the_operation(found):
    (experts,) = of(found, "S7")
    assert experts.values == pytest.approx([1.05, 1.2])
    assert experts.is_met is False
    assert per_weight({"a": [6.0], "b": [1.0]}, {"a": 3, "b": 2}, "a", "b") == [4.0]


def test_histories_are_held_against_the_step_without(found):
    (histories,) = of(found, "S20")
    assert (histories.median, histories.is_met) == (1.54, True)


def test_what_another_command_measures_names_it(found):
    by_others = [bar for bar in bars(found) if "python -m benchmarks." in bar.note]
    assert {bar.number for bar in by_others} == {"S12", "S15", "S16", "S17", "S18", "S21", "S22"}
    assert not any(bar.values for bar in by_others)


def test_scoring_is_held_against_training_in_float32(found):
    evaluation, prediction = of(found, "S10")
    assert evaluation.values == pytest.approx([6.0, 6.0, 7.5])
    assert prediction.values == pytest.approx([2.0, 2.0, 2.0])
    assert (evaluation.is_met, prediction.is_met) == (True, False)


def test_memory_and_commands_have_units(found):
    (memory,) = of(found, "S11")
    assert (memory.values, memory.unit, memory.is_met) == ([1.4], "GB", True)
    said = {bar.what: (bar.median, bar.is_met) for bar in of(found, "S12")}
    assert said["easymtl --help"] == (0.25, False)
    assert said["easymtl check"] == (1.2, False)


def test_what_was_not_measured_decides_nothing(found):
    found["workloads"], found["scaling"], found["commands"] = {}, {}, {}
    assert all(bar.is_met is None and not bar.values for bar in bars(found))
    assert "| - |" in tables.bar_table([bar.as_json() for bar in bars(found)])


def test_without_other_libraries_their_bar_stays_open(found):
    found["workloads"]["taobao_dbmtl"]["peers"] = {}
    (bar,) = of(found, "S3")
    assert (bar.is_met, bar.note) == (None, "needs --peers")


def test_no_peak_of_memory_where_the_system_does_not_tell(found):
    found["workloads"]["taobao_dbmtl"]["started"]["peak_bytes"] = None
    assert not of(found, "S11")[0].values
    assert "peak memory" not in tables.workload_table(found, "taobao_dbmtl")


def test_markdown_has_a_row_for_each_bar_and_columns_of_one_width(found):
    found["bars"] = [bar.as_json() for bar in bars(found)]
    text = tables.markdown(found)
    for table in text.split("\n\n")[1:]:
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1
    assert "| S7 | MMoE of 32 experts over 4, time for an operation, AUTO | <= 1.1 | <= 1 |" in text
    assert "1.12 (1.05 to 1.20) | **no** |" in text
    assert "| taobao_dbmtl | AUTO: BFLOAT16 | FLOAT32 |" in text
    assert "| matrix products alone, GFLOP/s | 300 | 120 |" in text
    assert "| training from parquet, examples/s | 35 | - |" in text
    assert "| training from parquet / DeepCTR | 5.00 (4.00 to 5.00) | - |" in text
    assert "10 minutes in all" in text


def test_tables_are_printed_from_a_file(found, tmp_path, capsys):
    import json

    found["bars"] = [bar.as_json() for bar in bars(found)]
    path = tmp_path / "speed.json"
    path.write_text(json.dumps(found))
    speed.main(["--table", str(path)])
    assert "| S1 |" in capsys.readouterr().out


def test_the_plot_leaves_out_what_is_not_there(found):
    other = copy.deepcopy(found["workloads"]["taobao_dbmtl"])
    del other["precisions"]["FLOAT32"]
    found["workloads"]["tenrec_mlp"] = {**other, "peers": {}}
    speeds = plot.speeds(found)
    assert list(speeds["taobao_dbmtl"]) == ["easymtl, AUTO", "easymtl, float32", "DeepCTR"]
    # From CSV, because float32 was not measured from Parquet.
    assert speeds["taobao_dbmtl"]["easymtl, AUTO"] == [31.0, 33.0, 44.0]
    assert speeds["tenrec_mlp"] == {"easymtl, AUTO": [32.0, 35.0, 45.0]}
    assert plot.shares(found)["taobao_dbmtl"]["easymtl, float32"] == pytest.approx([0.6] * 3)


def test_the_picture_is_the_same_every_time(found, tmp_path):
    for name in ("a.svg", "b.svg"):
        plot.draw(found, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
