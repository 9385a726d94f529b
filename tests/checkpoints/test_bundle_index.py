"""The index of TensorFlow's files is read and written as TensorFlow does."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.bundle_index import data_file, key_of_slice, read_index, write_index
from easymtl.checkpoints.crc32c import crc32c, masked


def test_checksums_are_those_of_the_standard():
    # RFC 3720, B.4.
    assert crc32c(b"123456789") == 0xE3069283 and crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1000, 131_072, 131_073, 300_001])
def test_a_checksum_goes_on_behind_another(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    whole = crc32c(data)
    for cut in (0, 1, size // 3, size):
        assert crc32c(data[cut:], crc32c(data[:cut])) == whole


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Tensors of which one is saved in slices, with names that need an escape."""
    folder = tmp_path_factory.mktemp("bundle")
    rows = np.arange(1_200_000, dtype=np.float32).reshape(300_000, 4)
    parts = [(0, 40), (40, 90), (130, 20_000), (20_130, 279_870)]
    names = ["ta\x00b\xffle"] * len(parts)
    slices = [f"300000 4 {begin},{number}:0,4" for begin, number in parts]
    others = {"x": np.arange(7, dtype=np.int64), "y/z": np.ones([2, 2], np.float32)}
    tf.raw_ops.SaveV2(
        prefix=str(folder / "w"),
        tensor_names=[*names, *others],
        shape_and_slices=[*slices, "", ""],
        tensors=[*(rows[begin : begin + number] for begin, number in parts), *others.values()],
    )
    return folder / "w"


def test_slices_are_found_where_their_bytes_are(prefix):
    header, entries = read_index(prefix.with_suffix(".index"))
    table = entries["ta\x00b\xffle".encode()]
    data = data_file(prefix, header, 0).read_bytes()
    begins = []
    for part in table.slices:
        extents = [(one.start, one.length) for one in part.extent]
        entry = entries[key_of_slice("ta\x00b\xffle", extents)]
        content = data[entry.offset : entry.offset + entry.size]
        assert masked(crc32c(content)) == entry.crc32c
        assert np.frombuffer(content, np.float32)[0] == 4 * extents[0][0]
        begins.append(extents[0][0])
    assert sorted(begins) == [0, 40, 130, 20_130]
    assert len(entries) == 3 + 4


@pytest.mark.parametrize("number", [-1, 0, 63, 64, -64, -65, 8191, 8192, 1 << 20, (1 << 41) - 1, (1 << 55) - 2])
def test_keys_sort_as_places_do(number):
    keys = [key_of_slice("t", [(place, -1)]) for place in (number - 1, number, number + 1)]
    assert keys == sorted(keys) and len(set(keys)) == 3


def test_what_is_written_is_read_by_tensorflow(prefix, tmp_path):
    header, entries = read_index(prefix.with_suffix(".index"))
    copy = tmp_path / "w"
    write_index(copy.with_suffix(".index"), header, entries)
    data_file(copy, header, 0).write_bytes(data_file(prefix, header, 0).read_bytes())
    assert read_index(copy.with_suffix(".index")) == (header, entries)
    reader = tf.train.load_checkpoint(str(copy))
    assert reader.get_tensor("x").tolist() == list(range(7))
    many = {f"name/{number:04}".encode(): entries[b"x"] for number in range(500)}
    write_index(copy.with_suffix(".index"), header, many)
    reader = tf.train.load_checkpoint(str(copy))
    assert len(reader.get_variable_to_shape_map()) == 500
    assert reader.get_tensor("name/0321").tolist() == list(range(7))
