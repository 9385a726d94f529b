"""Deltas between small SavedModels: what is joined is the new one, byte by byte; what is not the base is refused."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.integrity import sealed
from easymtl.errors import UserError
from easymtl.serving import delta_rows
from easymtl.serving.delta_folders import Delta, is_delta, new_version, to_be_kept, versions_in
from easymtl.serving.delta_joining import joined
from easymtl.serving.tensor_bundle import INDEX, stored_variables
from tests.serving.small_versions import KERNEL, files_of, size_of, write_delta, write_version

ZEROS = np.zeros([4, 8], np.float32)


def tables_of(seed, rows=400, same_from=None):
    """Tables of several types and ranks; rows from `same_from` on are those of seed 0."""
    random = np.random.default_rng(seed)
    tables = {
        "8": random.normal(size=(rows, 8)).astype(np.float32),
        "3": random.normal(size=(rows, 3)).astype(tf.bfloat16.as_numpy_dtype),
        "5": random.integers(-127, 127, (rows, 5)).astype(np.int8),
        "scales": random.normal(size=rows).astype(np.float16),
    }
    if same_from is not None:
        old = tables_of(0, rows)
        for name, values in tables.items():
            values[same_from:] = old[name][same_from:]
    return tables | {"count": np.int64(seed), "none": np.zeros([0, 4], np.float32)}


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Three exports of which each has other first rows than the one before, and the deltas between them."""
    folder = tmp_path_factory.mktemp("versions")
    assets = {"assets/words.txt": "a b c"}
    one = write_version(folder / "1", tables_of(0), assets=assets)
    two = write_version(folder / "whole_2", tables_of(2, same_from=30), step=2, assets=assets)
    three = write_version(
        folder / "whole_3", tables_of(3, same_from=20), KERNEL * 2, step=3, assets={"assets/words.txt": "d"}
    )
    write_delta(one, two, folder / "2.delta")
    write_delta(folder / "2.delta", three, folder / "3.delta", step=3)
    return folder


@pytest.fixture
def copied(versions, tmp_path):
    """The first export and both deltas, to be harmed."""
    for name in ("1", "2.delta", "3.delta"):
        shutil.copytree(versions / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("number", [2, 3], ids=["delta", "chain"])
def test_what_is_joined_is_the_export_byte_by_byte(versions, tmp_path, number):
    folder = joined(versions / f"{number}.delta", tmp_path)
    assert folder == tmp_path / str(number)
    assert files_of(folder) == files_of(versions / f"whole_{number}")
    assert [path.name for path in tmp_path.iterdir()] == [str(number)], "no draft is left"
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    wanted = tables_of(number, same_from={2: 30, 3: 20}[number])["8"].sum(axis=1) * (KERNEL * (number - 1)).sum()
    np.testing.assert_allclose(serve(id=np.arange(400))["score"], wanted, rtol=1e-4, atol=1e-4)


def test_the_delta_holds_the_changed_rows_alone(versions):
    record = Delta(versions / "2.delta").record
    changed = {name.split("/")[2]: entry for name, entry in record["variables"].items() if "/" in name}
    assert {name: (changed[name]["changed"], changed[name]["rows"]) for name in ("8", "none", "count")} == {
        "8": (30, 400),
        "none": (0, 0),
        "count": (1, 1),
    }
    number = changed["8"]["number"]
    ids = np.fromfile(versions / "2.delta" / "rows" / f"{number}.ids", "<u4")
    rows = np.fromfile(versions / "2.delta" / "rows" / f"{number}.rows", "<f4").reshape(-1, 8)
    np.testing.assert_array_equal(ids, np.arange(30))
    np.testing.assert_array_equal(rows, tables_of(2)["8"][:30])
    assert size_of(versions / "2.delta") < size_of(versions / "whole_2") / 3


def test_kernels_and_assets_that_the_base_has_are_not_sent(versions):
    second, third = (Delta(versions / f"{number}.delta") for number in (2, 3))
    assert [size for _, _, size in second.record["graph"]] == [KERNEL.nbytes]
    assert third.record["graph"] == []
    assert not (second.path / "assets").exists()
    assert (third.path / "assets" / "words.txt").read_text() == "d"
    assert (second.path / "assets.extra" / "easymtl.json").is_file()


def test_nothing_has_changed(versions, tmp_path):
    shutil.copytree(versions / "1", tmp_path / "1")
    delta = Delta(write_delta(tmp_path / "1", tmp_path / "1", tmp_path / "7.delta", step=1))
    assert {entry["changed"] for entry in delta.record["variables"].values()} == {0}
    assert list((delta.path / "rows").iterdir()) == []
    assert files_of(joined(delta.path, tmp_path / "out")) == files_of(versions / "1")


@pytest.mark.parametrize("block", [1, 100])
def test_rows_are_compared_and_written_in_blocks(versions, tmp_path, monkeypatch, block):
    monkeypatch.setattr(delta_rows, "_BLOCK_BYTES", block)
    shutil.copytree(versions / "1", tmp_path / "1")
    delta = write_delta(tmp_path / "1", versions / "whole_2", tmp_path / "2.delta")
    assert files_of(delta) == files_of(versions / "2.delta")
    assert files_of(joined(delta, tmp_path / "out")) == files_of(versions / "whole_2")


def test_where_most_rows_have_changed_all_are_written_without_numbers(tmp_path):
    random = np.random.default_rng(0)
    tables = [{"2": random.normal(size=(90, 2)).astype(np.float32)} for _ in range(2)]
    tables[1]["2"][:20] = tables[0]["2"][:20]
    one, two = (write_version(tmp_path / name, table) for name, table in zip(("1", "new"), tables))
    delta = Delta(write_delta(one, two, tmp_path / "2.delta"))
    entry = delta.record["variables"]["_tables/variables_by_width/2/.ATTRIBUTES/VARIABLE_VALUE"]
    assert (entry["changed"], entry["ids"]) == (70, None)
    assert [path.stat().st_size for path in (delta.path / "rows").iterdir()] == [tables[1]["2"].nbytes]
    assert files_of(joined(delta.path, tmp_path / "out")) == files_of(two)


def test_bits_are_compared_and_not_numbers(tmp_path):
    zeros = np.zeros([4, 2], np.float32)
    other = zeros.copy()
    other[1], other[2] = -0.0, np.nan
    one = write_version(tmp_path / "1", {"2": other})
    two = write_version(tmp_path / "new", {"2": zeros})
    delta = Delta(write_delta(one, two, tmp_path / "2.delta"))
    assert delta.record["variables"]["_tables/variables_by_width/2/.ATTRIBUTES/VARIABLE_VALUE"]["changed"] == 2
    assert files_of(joined(delta.path, tmp_path / "out")) == files_of(two)


def test_the_base_of_a_checkpoint_is_any_export_with_its_rows(versions, tmp_path):
    shutil.copytree(versions / "1", tmp_path / "50")
    delta = write_delta(versions / "1", versions / "whole_2", tmp_path / "60.delta", is_checkpoint=True)
    assert Delta(delta).record["graph"] == [], "the graph of an export of the checkpoint is not known here"
    assert files_of(joined(delta, tmp_path / "out")) == files_of(versions / "whole_2")


class TestRefusals:
    def refused(self, delta, into, *says):
        with pytest.raises(UserError) as error:
            joined(delta, into)
        for text in (*says, "easymtl export without --since"):
            assert text in str(error.value)
        assert not into.exists() or list(into.iterdir()) == []

    def test_no_base(self, copied):
        shutil.rmtree(copied / "1")
        says = f"2.delta: its base, version 1 of step 1, is not in {copied} or {copied}/out. Copy it there."
        self.refused(copied / "2.delta", copied / "out", says)
        self.refused(copied / "3.delta", copied / "out", says)

    def test_a_gap_in_a_chain(self, copied):
        shutil.rmtree(copied / "2.delta")
        self.refused(copied / "3.delta", copied / "out", "3.delta: its base, version 2 of step 1, is not in")

    def test_another_base(self, copied, versions):
        shutil.rmtree(copied / "1")
        write_version(copied / "1", tables_of(9))
        says = f"its base was version 1 of step 1, but {copied}/1 has other rows: the tables of width 3 are not those"
        self.refused(copied / "2.delta", copied / "out", says)

    def test_another_graph(self, copied):
        # The rows are those of the base; the kernels, which the delta takes from it, are not.
        shutil.rmtree(copied / "1")
        write_version(copied / "1", tables_of(0), KERNEL * 3, assets={"assets/words.txt": "a b c"})
        self.refused(copied / "2.delta", copied / "out", f"{copied}/1 is another export: ", "saved_model.pb")

    @pytest.mark.parametrize(
        "name", ["1/variables/variables.data-00000-of-00001", "2.delta/rows/1.rows", "2.delta/fingerprint.pb"]
    )
    def test_a_damaged_file(self, copied, name):
        content = bytearray((copied / name).read_bytes())
        content[-1] ^= 1
        (copied / name).write_bytes(content)
        self.refused(copied / "2.delta", copied / "out", "2.delta: joined with", "have changed", "Copy them again.")

    @pytest.mark.parametrize(
        "name",
        ["1/variables/variables.index", "2.delta/variables.index", "2.delta/rows/1.rows", "2.delta/graph.deflated"],
    )
    def test_a_file_that_is_cut_off(self, copied, name):
        (copied / name).write_bytes((copied / name).read_bytes()[:-7])
        self.refused(copied / "2.delta", copied / "out", name.split("/")[0])

    @pytest.mark.parametrize(("part", "name"), [("base", "step"), ("files", "../../escaped"), ("files", "/escaped")])
    def test_a_record_that_was_written_to(self, copied, part, name):
        record = json.loads((copied / "2.delta" / "delta.json").read_text())
        record[part][name] = [0, 0]
        # Whoever gives a file another place may write a new checksum too.
        record = record if part == "base" else sealed({**record, "checksum": None})
        (copied / "2.delta" / "delta.json").write_text(json.dumps(record))
        with pytest.raises(UserError, match=r"2.delta/delta.json: its content has changed. Copy the folder again"):
            joined(copied / "2.delta", copied / "out")

    def test_what_is_there_is_not_written_over(self, copied):
        (copied / "out" / "2").mkdir(parents=True)
        with pytest.raises(UserError, match=r"out/2 is there already"):
            joined(copied / "2.delta", copied / "out")

    @pytest.mark.parametrize(
        ("tables", "output", "says"),
        [
            ({"8": ZEROS[:3]}, "score", "the tables of width 8 are [3, 8] in the new version and [4, 8] in the base"),
            ({"8": ZEROS.astype(np.float16)}, "score", "the tables of width 8 are float16 in the new version"),
            ({"16": ZEROS}, "score", '"the tables of width 16", "the tables of width 8" are in one of the two alone'),
            ({"8": ZEROS + 1}, "other", 'the output "other" of serving_default is not the same in both'),
        ],
    )
    def test_another_model(self, tmp_path, tables, output, says):
        one = write_version(tmp_path / "1", {"8": ZEROS})
        two = write_version(tmp_path / "new", tables, output=output)
        with pytest.raises(UserError) as error:
            write_delta(one, two, tmp_path / "2.delta")
        assert says in str(error.value) and "easymtl export without --since" in str(error.value)


def test_stored_variables_are_those_that_tensorflow_reads(versions):
    reader = tf.train.load_checkpoint(str(versions / "1" / "variables" / "variables"))
    stored = stored_variables(versions / "1")
    assert stored.keys() == reader.get_variable_to_shape_map().keys()
    for name, one in stored.items():
        if one.dtype != "string":
            assert one.rows().tobytes() == reader.get_tensor(name).tobytes()


def test_an_index_of_many_blocks_is_read(tmp_path):
    names = {f"{number}{'_long' * 1800}": np.float32(number) for number in range(60)}
    folder = write_version(tmp_path / "1", {"2": np.zeros([2, 2], np.float32), **names})
    assert (folder / INDEX).stat().st_size > 2 * (256 << 10), "a block has 256 KB"
    found = {name: one.rows().view("<f4")[0, 0] for name, one in stored_variables(folder).items() if "_long" in name}
    assert {name.split("/")[2]: value for name, value in found.items()} == names


class TestFolders:
    def test_exports_are_known_by_number_and_deltas_where_there_is_no_export(self, copied):
        (copied / "notes").mkdir()
        (copied / "9.delta").mkdir()
        shutil.copytree(copied / "1", copied / "2")
        assert versions_in(copied) == {1: copied / "1", 2: copied / "2", 3: copied / "3.delta"}
        assert is_delta(copied / "3.delta") and not is_delta(copied / "1")
        # Also where the clock went back: the newest one is served, and a number below it would never be.
        assert (new_version(copied, 1), new_version(copied, 9), new_version(copied, 11)) == (10, 10, 11)
        assert new_version(copied / "none", 8) == 8
        assert versions_in(copied / "none") == {}

    def test_what_a_kept_delta_is_made_from_is_kept(self, copied):
        (copied / "0").mkdir()
        assert to_be_kept(copied, 1) == {copied / name for name in ("3.delta", "2.delta", "1")}
        (copied / "4").mkdir()
        assert to_be_kept(copied, 1) == {copied / "4"}
        assert to_be_kept(copied, 2) == {copied / name for name in ("4", "3.delta", "2.delta", "1")}
        (copied / "3.delta" / "delta.json").write_text("{")
        assert to_be_kept(copied, 2) == {copied / name for name in ("4", "3.delta")}
