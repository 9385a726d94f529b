import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

FOLDER = Path(__file__).parents[2] / "samples" / "census"


def script(name):
    specification = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def raw_line(**changes):
    convert = script("convert")
    values = {name: "0" if name in convert.NUMBERS else "Not in universe" for name in convert.COLUMNS}
    values |= {"income": "- 50000.", "marital_stat": "Never married", "instance_weight": "1700.09"} | changes
    return ", ".join(values.values())


def test_raw_rows_become_inputs_and_labels(tmp_path):
    path = tmp_path / "census-income.data"
    lines = [
        raw_line(age="73", det_ind_code="04", hisp_origin="NA", state_prev_res="?"),
        raw_line(age="18", income="50000+.", marital_stat="Divorced", country_self='Cote d"Ivoire'),
    ]
    path.write_text("\n".join(lines) + "\n")
    table = script("convert").convert(path)
    assert table.num_columns == 42
    assert table.schema.names[-2:] == ["income_50k", "never_married"]
    assert not {"income", "marital_stat"} & set(table.schema.names)
    assert table["income_50k"].to_pylist() == [0, 1]
    assert table["never_married"].to_pylist() == [1, 0]
    assert table["age"].to_pylist() == [73, 18]
    assert table["age"].type == pa.int32()
    assert table["instance_weight"].to_pylist() == pytest.approx([1700.09] * 2)
    assert table["det_ind_code"].to_pylist() == ["04", "Not in universe"]
    assert table["hisp_origin"].to_pylist()[0] == "NA"
    assert table["state_prev_res"].to_pylist()[0] == "?"
    assert table["country_self"].to_pylist()[1] == 'Cote d"Ivoire'


def test_boundaries_cut_a_column_into_even_buckets():
    cuts = script("boundaries").boundaries(np.arange(1000.0), 10)
    counts = np.bincount(np.searchsorted(cuts, np.arange(1000.0), side="right"))
    assert len(counts) == 10
    assert counts.min() >= 99


def test_a_frequent_value_gets_a_bucket_and_no_boundary_repeats():
    values = np.array([0.0] * 90 + [float(number) for number in range(1, 11)])
    cuts = script("boundaries").boundaries(values, 20)
    assert cuts == sorted(set(cuts))
    assert 0 not in cuts
    nonzero = script("boundaries").boundaries(values, 5, nonzero=True)
    assert nonzero[0] == 1
    counts = np.bincount(np.searchsorted(nonzero, values, side="right"))
    assert counts[0] == 90
    assert script("boundaries").boundaries(np.zeros(5), 5, nonzero=True) == []


def test_all_configs_have_the_data_part_of_one(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["same_data.py", "--check"])
    assert script("same_data").main() == 0, capsys.readouterr().out


def test_a_config_gets_the_data_part_and_keeps_its_model():
    same_data = script("same_data")
    base = (same_data.CONFIGS / same_data.BASE).read_text()
    changed = base.replace("batch_size: 512", "batch_size: 2048").replace("num_expert: 4", "num_expert: 7")
    current = same_data.with_data_of(base, changed)
    assert current == base.replace("num_expert: 4", "num_expert: 7") != changed
    with pytest.raises(ValueError, match=r"data_config \{ \} is there 0 times, not once"):
        same_data.with_data_of(base, 'model_dir: "x"\n')
