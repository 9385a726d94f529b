from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from easymtl.errors import UserError
from easymtl.synth import DATA_SETS, read_batches, write
from easymtl.synth.data_set import BLOCK_ROWS, Blocks
from easymtl.synth.sampling import with_texts

NAMES = sorted(DATA_SETS)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Returns the Parquet files of a data set, of 3,000 rows from seed 5, which are made once."""

    @cache
    def files(name):
        return write(name, 3_000, seed=5, out=tmp_path_factory.mktemp(name), format="parquet")

    return files


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name, written, tmp_path):
    first = written(name)
    second = write(name, 3_000, seed=5, out=tmp_path / "second", format="parquet")
    for part in ("train", "eval"):
        assert first[part].read_bytes() == second[part].read_bytes()


def test_another_seed_gives_other_rows(tmp_path):
    first, second = (pa.Table.from_batches(read_batches("tenrec", 1_000, seed)) for seed in (1, 2))
    assert not first.equals(second)


def test_a_block_is_the_same_alone_and_in_a_file():
    rows = BLOCK_ROWS + 100
    batches = list(read_batches("livestream", rows, seed=3))
    assert [batch.num_rows for batch in batches] == [BLOCK_ROWS, 100]
    alone = Blocks(DATA_SETS["livestream"], seed=3).block("train", 1)
    assert batches[1].equals(alone.slice(0, 100))


def test_a_longer_file_begins_with_a_shorter_one():
    short, long = (pa.Table.from_batches(read_batches("taobao", rows, seed=1)) for rows in (500, 700))
    assert long.slice(0, 500).equals(short)


def test_train_and_eval_share_ids_and_no_rows():
    train, evaluation = (
        pa.Table.from_batches(read_batches("livestream", 20_000, seed=1, part=part)) for part in ("train", "eval")
    )
    assert not train["user_id"].equals(evaluation["user_id"])
    level_of = dict(zip(train["user_id"].to_pylist(), train["user_level"].to_pylist()))
    shared = [
        (level_of[user], level)
        for user, level in zip(evaluation["user_id"].to_pylist(), evaluation["user_level"].to_pylist())
        if user in level_of
    ]
    assert len(shared) > 5_000
    assert all(before == after for before, after in shared)


@pytest.mark.parametrize("name", NAMES)
def test_csv_and_parquet_hold_the_same_content(name, written, tmp_path):
    parquet = written(name)
    csv = write(name, 3_000, seed=5, out=tmp_path, format="csv", header=True)
    expected = pa.Table.from_batches(map(with_texts, pq.read_table(parquet["train"]).to_batches()))
    types = {field.name: field.type for field in expected.schema}
    found = pyarrow.csv.read_csv(
        csv["train"], convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    )
    assert found.schema.names == expected.schema.names
    for column in expected.schema.names:
        assert found[column].equals(expected[column]), column


def test_csv_without_a_header_has_the_log_columns_alone(tmp_path):
    path = write("taobao", 10, out=tmp_path)["train"]
    assert path.name == "train.csv"
    lines = path.read_text().splitlines()
    assert len(lines) == 10
    assert all(line.count(",") == 19 and '"' not in line for line in lines)


def test_histories_as_text_are_their_steps_joined_and_empty_without_any(tmp_path):
    lists = pq.read_table(write("feed", 300, out=tmp_path / "lists")["train"])
    texts = pq.read_table(write("feed", 300, out=tmp_path / "texts", histories="text")["train"])
    assert lists.schema.names == texts.schema.names
    names = [field.name for field in lists.schema if pa.types.is_list(field.type)]
    assert len(names) == 11
    assert lists.drop_columns(names).equals(texts.drop_columns(names))
    for name in names:
        for steps, text in zip(lists[name].to_pylist(), texts[name].to_pylist(), strict=True):
            pieces = text.split("|") if text else None
            if name.endswith(("seconds", "hours")):
                pieces = pieces and [float(np.float32(piece)) for piece in pieces]
            assert pieces == steps
    assert lists["watched_items"].null_count > 0
    assert any(";" in step for steps in lists["watched_tags"].to_pylist() if steps for step in steps)


def test_a_csv_has_histories_as_text_whether_asked_for_or_not(tmp_path):
    plain = write("feed", 50, out=tmp_path / "plain", format="csv")["train"].read_bytes()
    asked = write("feed", 50, out=tmp_path / "asked", format="csv", histories="text")["train"].read_bytes()
    assert plain == asked
    assert b'"' not in plain
    assert {line.count(b",") for line in plain.splitlines()} == {27}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "feed", "histories": "list"}, 'Did you mean "lists"'),
        ({"name": "tenrec", "histories": "text"}, '"tenrec" has no histories'),
        ({"name": "mmoe_paper", "histories": "lists"}, '"mmoe_paper" has no histories'),
        ({"name": "feed", "histories": "lists", "format": "csv"}, "CSV has no lists: use --histories text"),
    ],
)
def test_histories_that_cannot_be_written_so_are_refused_before_anything_is_made(arguments, message, tmp_path):
    with pytest.raises(UserError, match=message):
        write(num_rows=10, out=tmp_path / "new", **arguments)
    assert not list(tmp_path.iterdir())


def test_eval_rows_are_a_fifth_unless_given(tmp_path):
    paths = write("tenrec", 1_000, out=tmp_path)
    assert pq.read_metadata(paths["eval"]).num_rows == 200
    paths = write("tenrec", 1_000, out=tmp_path, eval_rows=7)
    assert pq.read_metadata(paths["eval"]).num_rows == 7


def test_no_partial_file_is_left(tmp_path):
    write("tenrec", 100, out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eval.parquet", "train.parquet"]


def test_the_default_folder_is_the_one_the_samples_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("livestream", 10)
    assert (tmp_path / "samples/data/livestream/train.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("taoboa", 10), 'Did you mean "taobao"'),
        (("taobao", 0), "rows is 0: it must be at least 1"),
        (("taobao", 10, 0, None, "parqet"), 'Did you mean "parquet"'),
        (("taobao", 10, -1), "seed is -1"),
    ],
)
def test_mistakes_are_told(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        write(*arguments)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_rows():
    batches = read_batches("tenrec", 10 * BLOCK_ROWS, seed=1)
    before = pa.total_allocated_bytes()
    sizes = [(batch.num_rows, pa.total_allocated_bytes() - before) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 10 * BLOCK_ROWS
    assert max(size for _, size in sizes[5:]) <= 1.5 * max(size for _, size in sizes[:5]) + 1


def test_ids_are_skewed():
    users = next(read_batches("livestream", BLOCK_ROWS, seed=1))["user_id"]
    counts = np.sort(pc.value_counts(users).field("counts").to_numpy())[::-1]
    assert counts[:1000].sum() > 0.3 * BLOCK_ROWS
