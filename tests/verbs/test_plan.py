"""`easymtl plan`, as it is called."""

import json

import pytest

from easymtl.cli import main
from tests.training.small_runs import CONFIG, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planned")
    write_data(folder)
    path = folder / "small.config"
    path.write_text(CONFIG.format(folder=folder))
    return path


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def planned(capsys, *words) -> dict:
    assert main(["plan", *map(str, words), "--log_format", "json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_it_measures_and_the_next_plan_takes_what_was_measured(config, capsys, monkeypatch):
    monkeypatch.setattr("easymtl.verbs.plan._MEASURED_SECONDS", 0.05)
    found = planned(capsys, config, "--workers", 3, "--measure")
    assert (found["of"], found["workers"], found["device"], found["batch_size"]) == ("planned", 3, "cpu", 32)
    assert found["rates_source"].startswith("measured 20")
    assert min(found["rates"].values()) > 0
    assert [scale["workers"] for scale in found["scaling"]] == [1, 2, 3]
    distinct = found["distinct_by_width"]["4"]
    # Forty items and twenty tags; each row has an item.
    assert 1 < distinct <= 60
    assert found["scaling"][1]["sent"]["total"] == pytest.approx(4 * found["dense"] + distinct * 20)
    assert [layout["layout"] for layout in found["layouts"]] == ["replicated", "sharded"] and found["fits"]
    for scale in found["scaling"]:
        assert scale["examples_per_second"] == pytest.approx(32 * scale["workers"] / scale["seconds"])
    again = planned(capsys, config, "--workers", 3)
    assert again["rates"] == found["rates"] and again["scaling"] == found["scaling"]
    slower = planned(capsys, config, "--workers", 3, "--bandwidth", "1Mbit")
    assert slower["scaling"][2]["network_seconds"] > found["scaling"][2]["network_seconds"]
    # Of another device nothing was measured.
    assert planned(capsys, config, "--device", "t4")["rates_source"].startswith(
        "defaults, nothing was measured: data sheet"
    )


def test_a_thousand_workers_are_a_table(config, capsys):
    assert main(["plan", str(config), "--workers", "1000", "--device", "a100-80gb", "--bandwidth", "100Gbit"]) == 0
    out = capsys.readouterr().out
    assert "Rates of a100-80gb: defaults, nothing was measured" in out
    rows = [line.split()[0] for line in out.splitlines() if line.split()[1:2] == ["replicated"]]
    assert rows == ["1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "1,000"]
    assert "1,000 workers, tables replicated: each needs" in out and "has 80 GiB" in out


def test_what_does_not_fit_is_told_with_how_many_workers_it_would(config, capsys):
    large = ["--set", "feature_configs[0].hash_bucket_size=500000000", "--workers", "2", "--memory", "8GiB"]
    found = planned(capsys, config, *large)
    # 500 million rows of four numbers, with two slots of Adam, are 22.4 GiB.
    assert not found["fits"] and found["layout"] == "sharded"
    assert "does not fit" in found["verdict"] and found["verdict"].endswith("it takes 3 workers.")


def test_a_worker_makes_no_plan(config, capsys, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert main(["plan", str(config)]) == 2
    assert "a plan is made by one process alone" in capsys.readouterr().err


def test_tables_on_the_host_have_a_memory_of_their_own(config, capsys):
    flags = (config, "--device", "t4", "--set", "feature_config.embedding_on_cpu=true")
    found = planned(capsys, *flags, "--host_memory", "1GiB")
    [layout] = found["layouts"]
    assert found["available_on_host"] == 1 << 30 and layout["memory"]["are_tables_on_host"]
    assert layout["memory"]["of_host"] > layout["memory"]["tables"] > 0 < layout["memory"]["looked_up"]
    # A processor has one memory.
    assert not planned(capsys, config, "--set", flags[-1])["layouts"][0]["memory"]["are_tables_on_host"]
    assert main(["plan", *map(str, flags), "--host_memory", "1KiB"]) == 0
    out = capsys.readouterr().out
    assert "does not fit" in out and "of device" in out and "of host" in out
    assert main(["plan", str(config), "--host_memory", "1GiB"]) == 2
