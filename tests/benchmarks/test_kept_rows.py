from benchmarks.kept_rows import KeptRows


def test_rows_come_back_as_they_were(tmp_path):
    path = tmp_path / "results" / "table.csv"
    kept = KeptRows(path, ("seed", "model"))
    assert kept.rows == []
    rows = [{"seed": 1, "model": "esmm", "error": 0.25}, {"seed": 1, "model": "aitm", "error": ""}]
    for row in rows:
        kept.append(row)
    assert KeptRows(path, ("seed", "model")).rows == rows == kept.rows


def test_a_row_is_known_by_its_key(tmp_path):
    kept = KeptRows(tmp_path / "table.csv", ("seed", "rate"))
    kept.append({"seed": 1, "rate": 0.01, "error": 0.5})
    again = KeptRows(tmp_path / "table.csv", ("seed", "rate"))
    assert (1, 0.01) in again
    assert (2, 0.01) not in again


def test_a_line_that_was_cut_off_is_done_again(tmp_path):
    path = tmp_path / "table.csv"
    kept = KeptRows(path, ("seed",))
    for seed in (1, 2):
        kept.append({"seed": seed, "error": 0.125})
    path.write_bytes(path.read_bytes()[:-4])
    again = KeptRows(path, ("seed",))
    assert [row["seed"] for row in again.rows] == [1]
    again.append({"seed": 2, "error": 0.5})
    assert KeptRows(path, ("seed",)).rows == [{"seed": 1, "error": 0.125}, {"seed": 2, "error": 0.5}]


def test_a_file_cut_off_in_its_heading_is_begun_again(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("seed,er")
    kept = KeptRows(path, ("seed",))
    kept.append({"seed": 2, "error": 0.5})
    assert KeptRows(path, ("seed",)).rows == [{"seed": 2, "error": 0.5}]
