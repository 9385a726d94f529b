import csv

import pytest

from benchmarks import mmoe_paper
from easymtl.config import load_config

pytestmark = pytest.mark.usefixtures("op_by_op")


def row(seed, p, model, rate, error):
    names = {"error_1": error, "error_2": error + 0.02, "reachable_1": 0.005, "reachable_2": 0.007}
    return {"rows": 9, "epochs": 1, "seed": seed, "p": p, "model": model, "learning_rate": rate, **names}


def made_up_rows():
    """Two models whose errors are known: the best rate of shared_bottom is .01, that of mmoe .001."""
    errors = {("shared_bottom", 0.001): 0.4, ("shared_bottom", 0.01): 0.3, ("mmoe", 0.001): 0.1, ("mmoe", 0.01): 0.2}
    return [
        row(seed, p, model, rate, error + 0.01 * seed * (model == "mmoe"))
        for seed in (1, 2, 3)
        for p in (0.5, 0.9, 1.0)
        for (model, rate), error in errors.items()
    ]


def column(table, heading):
    (found,) = [list(one.cells) for one in table.columns if one.header == heading]
    return found


def test_each_model_is_compared_at_its_best_rate():
    by_rate, paired = mmoe_paper.tables(made_up_rows(), 3)
    assert column(by_rate, "rate 0.01")[:2] == ["0.3100", "0.2300"]
    assert column(by_rate, "reachable")[0] == "0.0060"
    assert column(paired, "shared_bottom")[0] == "0.3100 (0.3100)"
    assert column(paired, "mmoe")[0] == "0.1300 (0.1300)"
    assert column(paired, "difference")[0] == "+0.1800"
    assert column(paired, "standard error")[0] == f"{0.01 / 3**0.5:.4f}"
    assert column(paired, "mmoe better in")[0] == "3 of 3"


def test_a_seed_that_is_under_way_does_not_count():
    rows = made_up_rows()
    assert mmoe_paper.whole_seeds([*rows, row(4, 0.5, "mmoe", 0.01, 9.0)]) == rows
    assert mmoe_paper.tables([], 3) == []


def test_the_networks_are_those_of_the_paper():
    def layers(name):
        return load_config(str(mmoe_paper.FOLDER / "configs" / f"mmoe_paper_{name}.config")).pipeline

    mmoe, bottom = (layers(name).model_config for name in ("mmoe", "shared_bottom"))
    assert mmoe.mmoe.num_expert == 8
    assert list(mmoe.mmoe.expert_dnn.hidden_units) == [16]
    assert list(bottom.shared_bottom.bottom_dnn.hidden_units) == [113]
    for towers in (mmoe.mmoe.task_towers, bottom.shared_bottom.task_towers):
        assert [list(tower.dnn.hidden_units) for tower in towers] == [[8], [8]]
        assert not any(tower.dnn.use_bn for tower in towers)


def test_a_tiny_run_is_kept_and_not_done_again(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.csv"
    flags = ["--rows", "600", "--epochs", "1", "--seeds", "1", "--results", str(path)]
    monkeypatch.setattr(mmoe_paper, "start_tensorflow", lambda **threads: None)
    monkeypatch.setattr(mmoe_paper, "keys_of", lambda options, seed, rows: [(600, 1, 1, 0.5, "mmoe", 0.01)])
    mmoe_paper._train_seed(1, mmoe_paper._options(flags))
    with path.open() as file:
        (line,) = csv.DictReader(file)
    assert (line["p"], line["model"]) == ("0.5", "mmoe")
    assert 0.01 < float(line["error_1"]) < 2
    assert 0.01 < float(line["error_2"]) < 2
    assert float(line["reachable_1"]) < 0.02
    before = path.read_bytes()
    mmoe_paper._train_seed(1, mmoe_paper._options(flags))
    assert path.read_bytes() == before
    capsys.readouterr()


def test_the_table_of_what_is_there_is_printed(tmp_path, capsys):
    kept = mmoe_paper.KeptRows(tmp_path / "results.csv", mmoe_paper.KEYS)
    for line in made_up_rows():
        kept.append(line)
    flags = ["--rows", "9", "--epochs", "1", "--table", "--results", str(kept.path)]
    mmoe_paper.main([*flags, "--at_most", "0.5"])
    assert "mmoe better in" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="more than 0"):
        mmoe_paper.main([*flags, "--at_most", "0.3"])


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_a_choice_of_rates_is_the_order_of_the_trainings(p):
    options = mmoe_paper._options(["--rates", "0.1", "0.2"])
    keys = [key for key in mmoe_paper.keys_of(options, 2, []) if key[3] == p]
    assert keys == [(100_000, 10, 2, p, model, rate) for model in mmoe_paper.MODELS for rate in (0.1, 0.2)]


def test_later_seeds_train_at_the_rate_that_was_best():
    rows = made_up_rows()
    options = mmoe_paper._options(["--rows", "9", "--epochs", "1"])
    keys = mmoe_paper.keys_of(options, 4, rows)
    assert [key[2:] for key in keys if key[3] == 0.9] == [(4, 0.9, "shared_bottom", 0.01), (4, 0.9, "mmoe", 0.001)]
    assert len(keys) == 6
    more = [row(4, p, model, rate, 0.2) for _, _, _, p, model, rate in keys]
    by_rate, paired = mmoe_paper.tables([*rows, *more], 3)
    assert "of 3 seeds" in by_rate.title
    assert "of 4 seeds" in paired.title
    assert column(paired, "mmoe better in")[0] == "3 of 4"
