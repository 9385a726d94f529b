import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from easymtl.drafting import table as tables
from easymtl.drafting.profile import read_profile
from easymtl.drafting.roles import Roles
from easymtl.drafting.split import choose_split, require_free, split_table, write_split
from easymtl.drafting.table import open_table
from easymtl.errors import UserError

ROWS = 5000


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "user_id": pa.array(random.integers(0, 300, ROWS)),
            "when": pa.array(random.integers(1_700_000_000, 1_710_000_000, ROWS), pa.timestamp("s")),
            "text": pa.array(random.choice(["a", 'quo"ted', "com,ma", "", None], ROWS)),
            "click": pa.array(random.integers(0, 2, ROWS)),
        }
    )
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(table, folder / "x.parquet", row_group_size=700)
    return folder / "x.parquet"


def divided(path, roles, tmp_path, ending="parquet"):
    table = open_table(str(path), None, ["click"])
    split = choose_split(read_profile(table, ["click"]), roles)
    parts = [tmp_path / f"{part}.{ending}" for part in ("train", "eval")]
    counts = write_split(table, split, *parts, replaces=False, progress=None)
    read = pq.read_table if ending == "parquet" else pyarrow.csv.read_csv
    tables = [read(part) for part in parts]
    assert counts == tuple(part.num_rows for part in tables) and sum(counts) == ROWS
    return split, *tables


def test_the_last_tenth_of_the_time_is_judged_by(data, tmp_path):
    _, train, evaluation = divided(data, Roles(time="when", user="user_id"), tmp_path)
    assert max(train["when"].to_pylist()) < min(evaluation["when"].to_pylist())
    assert evaluation.num_rows == pytest.approx(ROWS / 10, rel=0.05)


def test_no_user_is_on_both_sides(data, tmp_path):
    split, train, evaluation = divided(data, Roles(user="user_id"), tmp_path)
    assert split.column == "user_id"
    assert not set(train["user_id"].to_pylist()) & set(evaluation["user_id"].to_pylist())
    assert evaluation.num_rows == pytest.approx(ROWS / 10, rel=0.5)


def test_else_a_tenth_of_the_rows(data, tmp_path):
    _, train, evaluation = divided(data, Roles(), tmp_path)
    assert evaluation.num_rows == pytest.approx(ROWS / 10, rel=0.2)
    whole = sorted(map(str, pq.read_table(data).to_pylist()))
    assert sorted(map(str, train.to_pylist() + evaluation.to_pylist())) == whole


@pytest.mark.parametrize("roles", [Roles(), Roles(user="user_id"), Roles(time="when")], ids=["rows", "users", "time"])
def test_batches_do_not_matter(data, tmp_path, monkeypatch, roles):
    split, *whole = divided(data, roles, tmp_path)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    monkeypatch.setattr(tables, "_BATCH_ROWS", 130)
    assert [split, *whole] == [*divided(data, roles, tmp_path)]
    held = open_table(pq.read_table(data), None, [])
    assert [part.to_pylist() for part in split_table(held, split)] == [part.to_pylist() for part in whole]


def test_the_first_moment_that_is_judged_by_is_the_border(tmp_path):
    days = pa.array(sorted([1, 2, 3, 4, 5] * 20), pa.date32())
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"day": days, "click": [0, 1] * 50}), path)
    table = open_table(str(path), None, [])
    split = choose_split(read_profile(table, []), Roles(time="day"))
    train, evaluation = split_table(open_table(pq.read_table(path), None, []), split)
    assert (split.border, train.num_rows, evaluation.num_rows) == (5, 80, 20)
    few = pa.table({"day": pa.array([1] * 95 + [2] * 5, pa.date32())})
    assert choose_split(read_profile(open_table(few, None, []), []), Roles(time="day")).border == 2


@pytest.mark.parametrize(("num_users", "column"), [(400, "user"), (700, "")])
def test_users_with_one_row_each_are_no_groups(num_users, column):
    users = pa.table({"user": np.arange(1000) % num_users})
    profile = read_profile(open_table(users, None, []), [])
    assert choose_split(profile, Roles(user="user")).column == column


def test_csv_stays_csv_with_its_quotes(data, tmp_path):
    path = tmp_path / "data" / "x.csv"
    pyarrow.csv.write_csv(pq.read_table(data).drop_columns(["when"]), path)
    data.unlink()
    _, train, evaluation = divided(path, Roles(), tmp_path, "csv")
    texts = {*train["text"].to_pylist(), *evaluation["text"].to_pylist()}
    assert texts >= {"a", 'quo"ted', "com,ma"}


def test_nothing_that_is_read_or_would_be_is_written_over(data, tmp_path):
    table = open_table(str(data), None, [])
    with pytest.raises(UserError, match="which is read"):
        require_free(table, data, replaces=True)
    folder = open_table(str(data.parent), None, [])
    with pytest.raises(UserError, match="of which all files are read"):
        require_free(folder, data.parent / "x.train.parquet", replaces=True)
    there = tmp_path / "there.parquet"
    there.write_text("precious")
    with pytest.raises(UserError, match="--force"):
        require_free(table, there, replaces=False)
    require_free(table, there, replaces=True)
    assert there.read_text() == "precious"


def test_a_part_that_fails_leaves_nothing_behind(data, tmp_path):
    table = open_table(str(data), None, [])
    split = choose_split(read_profile(table, ["click"]), Roles(time="when"))
    empty = type(split)("when", "never" if isinstance(split.border, str) else 1 << 62, "time")
    with pytest.raises(UserError, match="a part would be empty"):
        write_split(table, empty, tmp_path / "a.parquet", tmp_path / "b.parquet", False, None)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_folder_that_cannot_be_written_is_told(data, tmp_path, form):
    path = tmp_path / "data" / "x.csv" if form == "csv" else data
    if form == "csv":
        pyarrow.csv.write_csv(pq.read_table(data).drop_columns(["when"]), path)
        data.unlink()
    table = open_table(str(path), None, [])
    split = choose_split(read_profile(table, ["click"]), Roles())
    gone = tmp_path / "gone"
    with pytest.raises(UserError, match=r"gone: no file can be written in this folder: No such file .* another --out"):
        write_split(table, split, gone / f"a.{form}", gone / f"b.{form}", False, None)
