import gzip
import itertools
import struct

import numpy as np
import pytest

from easymtl.data import record_frames, tfrecord
from easymtl.data.paths import expand
from easymtl.data.record_frames import checksums, frames
from easymtl.data.sources import describe, open_source
from easymtl.data.text_form import TextForm
from easymtl.errors import UserError
from easymtl.protos.example_pb2 import Example

FIELDS = "user age:INT32 price:FLOAT=1.5"


def example(**columns):
    message = Example()
    for name, values in columns.items():
        kind = (
            {str: "bytes_list", bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(values[0])]
            if values
            else None
        )
        feature = message.features.feature[name]
        if kind:
            getattr(feature, kind).value.extend(v.encode() if isinstance(v, str) else v for v in values)
    return message.SerializeToString()


def framed(records):
    parts = []
    for data in records:
        head = struct.pack("<Q", len(data))
        parts += [head, struct.pack("<I", checksums([head])[0]), data, struct.pack("<I", checksums([data])[0])]
    return b"".join(parts)


def rows(count):
    return [example(user=[f"u{n}"], age=[n], price=[n / 2]) for n in range(count)]


@pytest.fixture
def read_records(read):
    def read_all(content, fields=FIELDS, **settings):
        return read(content, fields, name="a.tfrecord", input_type="TFRecordInput", **settings)

    return read_all


def test_checksum_is_that_of_the_public_vectors():
    # CRC-32C of "123456789" is E3069283, of 32 zero bytes 8A9136AA (RFC 3720, B.4); masked as TFRecord does.
    for data, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"", 0)):
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        assert checksums([b"other", data, b"x" * 50])[1] == masked


def test_checksums_of_long_records_are_those_of_their_bytes_one_by_one():
    random = np.random.default_rng(0)
    lengths = [0, 1023, 5000, 1, 1024, 1025, 2048, 2049, 3, 4096]
    records = [random.bytes(length) for length in lengths]
    expected = []
    for record in records:
        crc = 0xFFFFFFFF
        for byte in record:
            crc ^= byte
            for _ in range(8):
                crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        crc ^= 0xFFFFFFFF
        expected.append((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
    assert checksums(records).tolist() == expected
    assert checksums([]).tolist() == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_values_and_missing_ones(read_records, pack):
    records = [example(user=["a"], age=[3], price=[0.5]), example(user=[], price=[2.0]), example(age=[-1])]
    values, _ = read_records(pack(framed(records)))
    assert values == {"user": ["a", None, None], "age": [3, None, -1], "price": [0.5, 2.0, 1.5]}


def test_blocks_hold_each_record_once_in_order(read_records):
    values, source = read_records(framed(rows(500)), block_bytes=2000, batch_rows=7)
    assert len(source.blocks) > 5
    assert values["age"] == list(range(500))
    assert [block.start for block in source.blocks[1:]] == [block.start + block.size for block in source.blocks[:-1]]
    assert source.find(source.blocks[3], "user", "u499") is None
    assert source.find(source.blocks[-1], "user", "u499").endswith("a.tfrecord: record 500")


def test_a_damaged_record_is_named_or_left_out(read_records):
    content = framed(rows(3)).replace(b"u1", b"uX")
    with pytest.raises(UserError, match=r"a\.tfrecord: record 2: the record does not fit its checksum"):
        read_records(content)
    values, source = read_records(content, ignore_error="true")
    assert values["age"] == [0, 2]
    assert source.skipped_rows == 1


def test_a_value_that_does_not_fit_names_its_record(read_records):
    records = [example(user=["a"], age=["4"], price=[1]), example(user=["b"], age=["x"], price=[1])]
    with pytest.raises(UserError, match=r'record 2: column "age" holds .*x.*which is no INT32'):
        read_records(framed(records))


@pytest.mark.parametrize("lost", [3, 60])
def test_a_file_that_is_cut_short_is_refused(read_records, lost):
    with pytest.raises(UserError, match="cut short"):
        read_records(framed(rows(2))[:-lost])


def test_other_files_and_columns_are_refused(read_records):
    with pytest.raises(UserError, match="this is no TFRecord file"):
        read_records(b"a,b,c\n" * 10)
    with pytest.raises(UserError, match=r'"aeg" is in none of the first .*Did you mean "age"'):
        read_records(framed(rows(2)), "aeg:INT32")


def test_lists_become_text_with_their_separator_and_lose_weights_of_empty_tags(tmp_path, make_config):
    records = [
        example(tags=["a", "", "b"], weights=[1.0, 2.0, 3.0]),
        example(tags=["c|d"], weights=["5|6"]),
        example(tags=[7, 8], weights=[1, 2]),
        example(tags=[]),
        example(tags=["e"], weights=[4.0]),
    ]
    (tmp_path / "a.tfrecord").write_bytes(framed(records))
    forms = {
        "tags": TextForm(separators=("|",)),
        "weights": TextForm(separators=("|",), tags=("tags",), only_weighs=True, is_number=True),
    }
    message = make_config("tags weights", input_type="TFRecordInput")
    source = open_source(str(tmp_path / "a.tfrecord"), message, ["tags", "weights"], forms=forms)
    (batch,) = source.read(source.blocks[0])
    assert batch.column("tags").to_pylist() == ["a||b", "c|d", "7|8", None, "e"]
    assert batch.column("weights").to_pylist() == ["1|3", "5|6", "1|2", None, "4"]


def test_a_column_may_be_missing_in_all_records_of_one_file(tmp_path, make_config):
    (tmp_path / "a.tfrecord").write_bytes(framed([example(user=["a"])]))
    (tmp_path / "b.tfrecord").write_bytes(framed([example(user=["b"], age=[5])]))
    message = make_config("user age:INT32", input_type="TFRecordInput")
    source = open_source(str(tmp_path), message, ["user", "age"])
    found = [row for block in source.blocks for batch in source.read(block) for row in batch.to_pylist()]
    assert found == [{"user": "a", "age": None}, {"user": "b", "age": 5}]
    assert dict(describe(str(tmp_path), message)) == {"user": "binary", "age": "int64"}
    message = make_config("user agee:INT32", input_type="TFRecordInput")
    with pytest.raises(UserError, match=r'a\.tfrecord and 1 more: column "agee" .*Did you mean "age"'):
        open_source(str(tmp_path), message, ["agee"])


def test_a_record_whose_length_looks_like_gzip_is_read(read_records):
    # The bytes of the length are 1F 8B, as those with which gzip files begin.
    record = example(user=["x" * (0x8B1F - 26)])
    assert len(record) == 0x8B1F
    values, source = read_records(framed([record]), "user")
    assert not source.blocks[0].is_stream
    assert len(values["user"][0]) == 0x8B1F - 26


def test_records_before_a_block_are_counted_once_for_all_that_are_left_out(read_records, monkeypatch):
    counted = []
    monkeypatch.setattr(
        tfrecord, "frames", lambda stream, file, size=None: counted.append(size) or frames(stream, file, size)
    )
    content = framed(rows(60)).replace(b"u4", b"U4")
    _, source = read_records(content, block_bytes=len(content) // 2, ignore_error="true")
    assert source.skipped_rows == 11
    assert counted.count(source.blocks[1].start) == 2  # To read the first block, and to count its records.
    assert "record 41:" in source.skipped.examples[1]


def test_a_record_is_found_by_a_header_that_another_one_follows(read_records):
    # Within records stands what begins like a record, and no record is as long as a block, or as what is looked at.
    fake = framed([b""])[:12]
    records = [example(user=[f"u{n}"], age=[n], note=[fake * 100 + bytes(70_000)]) for n in range(6)]
    values, source = read_records(framed(records), "user age:INT32", block_bytes=1000)
    assert values["age"] == list(range(6))
    assert len(source.blocks) == 6


def test_a_length_that_no_record_has_is_damage(read_records):
    head = struct.pack("<Q", 1 << 40)
    with pytest.raises(UserError, match="says that a record behind 2 of a block has 1,099,511,627,776 bytes"):
        read_records(framed(rows(2)) + head + struct.pack("<I", checksums([head])[0]) + bytes(9))


@pytest.mark.parametrize("damaged", [b"garbage", b"\xff" * 30])
def test_a_record_that_is_no_example_is_named_or_left_out(read_records, damaged):
    content = framed([*rows(1), damaged])
    with pytest.raises(UserError, match=r"record 2: the record is no tf\.train\.Example"):
        read_records(content)
    assert read_records(content, ignore_error="true")[0]["age"] == [0]
    with pytest.raises(UserError, match=r"record 1: the record is no tf\.train\.Example"):
        read_records(framed([damaged]))


def test_what_is_left_out_is_told_with_its_record_and_its_place_in_the_batch(read_records):
    records = rows(10)
    for number in (2, 6, 7):
        records[number] = example(user=["a"], age=["x"])
    _, source = read_records(framed(records), batch_rows=5, ignore_error="true")
    assert [example.split(": ")[1] for example in source.skipped.examples] == ["record 3", "record 7", "record 8"]
    source.skipped.take(7)
    first, second = (source.skipped.take(batch.num_rows).tolist() for batch in source.read(source.blocks[0]))
    assert (first, second) == ([2], [1, 1])


def test_defaults_stand_for_empty_texts_and_numbers_that_are_not_there_and_are_found(read_records):
    records = [example(user=["a"], price=[2.0]), example(user=[""], price=[float("nan")]), example(age=[1])]
    values, source = read_records(framed(records), "user=none age:INT32 price:FLOAT=1.5")
    assert values == {"user": ["a", "none", "none"], "age": [None, None, 1], "price": [2.0, 1.5, 1.5]}
    assert source.find(source.blocks[0], "price", 1.5).endswith("record 2")
    assert source.find(source.blocks[0], "user", "none").endswith("record 2")
    _, source = read_records(framed(records), "user age:INT32 price:FLOAT")
    assert source.find(source.blocks[0], "price", float("nan")).endswith("record 2")


def test_blocks_begin_at_every_record_where_they_are_small(tmp_path, monkeypatch):
    # As little is looked at at once as makes every place the last one of a look.
    monkeypatch.setattr(record_frames, "_WINDOW", 5)
    records = [bytes(length) for length in range(1, 40)]
    path = tmp_path / "a.tfrecord"
    path.write_bytes(framed(records))
    starts = [0, *itertools.accumulate(len(record) + 16 for record in records)]
    assert record_frames.borders(expand(str(path))[0], 1) == starts


def test_a_name_of_a_column_that_is_no_text_is_shown_and_read_past(tmp_path, make_config):
    record = example(i=[1], x=[2]).replace(b"\n\x01x", b"\n\x01\xeb")
    (tmp_path / "a.tfrecord").write_bytes(framed([record]))
    config = make_config("i:INT64", input_type="TFRecordInput")
    assert dict(describe(str(tmp_path / "a.tfrecord"), config)) == {"i": "int64", "\N{REPLACEMENT CHARACTER}": "null"}


@pytest.mark.parametrize("length", [(64 << 20) + 1, 1 << 31, 1 << 62])
def test_a_record_that_says_to_be_huge_is_refused_before_it_is_read(read_records, length):
    header = struct.pack("<Q", length)
    content = header + struct.pack("<I", int(checksums([header])[0])) + b"abc"
    with pytest.raises(UserError, match=f"says that a record behind 0 of a block has {length:,} bytes"):
        read_records(gzip.compress(content))


def test_large_records_are_read_a_few_at_once(monkeypatch):
    monkeypatch.setattr(record_frames, "MOST_RECORD_BYTES", 10)
    records = [(b"x" * 6, 0)] * 5
    assert [len(some) for some in record_frames.groups(records, 100)] == [2, 2, 1]
