import gzip
import io
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from easymtl.data.feed import Feed
from easymtl.data.fingerprint import fingerprint
from easymtl.data.paths import DataFile, expand
from easymtl.data.remote import explain, is_remote, locate, masked
from easymtl.data.rows import Rows
from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError
from tests.data.s3_server import s3, s3_client, s3_server  # noqa: F401


@pytest.fixture
def put(s3):  # noqa: F811
    def upload(**files):
        for key, content in files.items():
            s3.put_object(Bucket="data", Key=key, Body=content)

    return upload


@pytest.fixture(scope="module")
def files(s3_client):  # noqa: F811
    names = ["b.csv", "a.csv", "day=1/z.csv", "day=1/sub/y.csv", "day=1/_SUCCESS", "day=1/.hidden", "day=1/_tmp/p"]
    names += ["day=2/z.csv", "day=2/z.txt", "you & me/50%.csv", "x[1].csv"]
    for name in names:
        s3_client.put_object(Bucket="data", Key=f"tree/{name}", Body=b"x")
    s3_client.put_object(Bucket="data", Key="tree/day=3/", Body=b"")


@pytest.fixture
def tree(files, s3):  # noqa: F811
    return s3


def names(paths):
    prefix = "s3://data/tree/"
    return [file.name.removeprefix(prefix) for file in expand(paths)]


@pytest.mark.parametrize(
    "path, expected",
    [
        ("a.csv", ["a.csv"]),
        ("day=1", ["day=1/sub/y.csv", "day=1/z.csv"]),
        ("day=1/", ["day=1/sub/y.csv", "day=1/z.csv"]),
        ("*.csv", ["a.csv", "b.csv", "x[1].csv"]),
        ("day=[12]/*.csv", ["day=1/z.csv", "day=2/z.csv"]),
        ("day=*/z.csv", ["day=1/z.csv", "day=2/z.csv"]),
        ("day=?", ["day=1/sub/y.csv", "day=1/z.csv", "day=2/z.csv", "day=2/z.txt"]),
        ("day=1/**/*.csv", ["day=1/sub/y.csv", "day=1/z.csv"]),
        ("you & me/50%.csv", ["you & me/50%.csv"]),
        ("x[1].csv", ["x[1].csv"]),
    ],
)
def test_files_folders_and_globs(tree, path, expected):
    assert names(f"s3://data/tree/{path}") == expected


def test_a_comma_list_may_mix_file_systems(tree, tmp_path):
    (tmp_path / "l.csv").write_text("x")
    files = expand(f"s3://data/tree/b.csv, {tmp_path}/l.csv,s3://data/tree/a.csv")
    assert [file.name.rpartition("/")[2] for file in files] == ["b.csv", "l.csv", "a.csv"]
    assert [file.is_remote for file in files] == [True, False, True]
    assert [file.read_at(0, 9) for file in files] == [b"x", b"x", b"x"]


def csv_rows(start, end):
    return "".join(f'{number},"v\n{number % 7}"\n' for number in range(start, end)).encode()


def read_all(paths, config, **options):
    source = open_source(paths, config, ["i", "s"], **options)
    batches = [batch for block in source.blocks for batch in source.read(block)]
    return source, [(row["i"], row["s"]) for batch in batches for row in batch.to_pylist()]


def test_csv_gzip_and_parquet_are_read_as_local_files_are(put, make_config):
    table = io.BytesIO()
    expected = [(number, f"v\n{number % 7}") for number in range(400)]
    columns = {"i": [number for number, _ in expected], "s": [text for _, text in expected]}
    pq.write_table(pa.table(columns), table, row_group_size=150)
    put(**{"read/1.csv": csv_rows(0, 200), "read/2.csv.gz": gzip.compress(csv_rows(200, 400))})
    put(**{"read/p.parquet": table.getvalue()})
    config = make_config("i:INT64 s")
    source, rows = read_all("s3://data/read/*.csv*", config, block_bytes=500)
    assert rows == expected
    assert len(source.blocks) > 4
    source, rows = read_all("s3://data/read/p.parquet", config)
    assert rows == expected
    assert len(source.blocks) == 3
    assert describe("s3://data/read/p.parquet", config) == [("i", "int64"), ("s", "string")]


def test_a_feed_over_s3_and_one_over_local_files_are_the_same(put, make_config, tmp_path):
    (tmp_path / "1.csv").write_bytes(csv_rows(0, 300))
    put(**{"feed/1.csv": csv_rows(0, 300)})

    def encode(batch):
        return Rows({"i": batch.column("i").to_numpy()})

    def order(path):
        source = open_source(path, make_config("i:INT64 s"), ["i"], block_bytes=256)
        with Feed(source, encode, 64, shuffle=True, seed=3, num_epochs=2, chunk_rows=1) as feed:
            return [batch.rows["i"].tolist() for batch in feed]

    batches = order("s3://data/feed")
    assert batches == order(f"{tmp_path}/1.csv")
    assert sorted(number for batch in batches for number in batch) == sorted(2 * list(range(300)))


class CountingServer(fs.FileSystemHandler):
    """Serves bytes and notes which of them were asked for."""

    def __init__(self, content):
        self.content, self.asked = content, []

    def open_input_file(self, path):
        server = self

        class File(io.BytesIO):
            def read(self, size=-1):
                server.asked.append(size)
                return super().read(size)

        return pa.PythonFile(File(self.content), mode="r")

    def __getattr__(self, name):
        raise NotImplementedError(name)


for method in fs.FileSystemHandler.__abstractmethods__ - {"open_input_file"}:
    setattr(CountingServer, method, None)
CountingServer.__abstractmethods__ = frozenset()


def test_a_block_is_read_as_a_range(make_config, monkeypatch):
    server = CountingServer(csv_rows(0, 1000))
    file = DataFile("a.csv", "a.csv", fs.PyFileSystem(server))
    monkeypatch.setattr("easymtl.data.sources.expand", lambda paths: [file])
    source = open_source("a.csv", make_config("i:INT64 s"), ["i"], block_bytes=1000)
    assert max(server.asked) <= 1000
    server.asked.clear()
    block = source.blocks[3]
    (batch,) = source.read(block)
    assert batch.num_rows > 50
    assert server.asked == [block.size]


@pytest.mark.parametrize(
    "path, sentence",
    [
        ("s3://data/tree/aa.csv", r'"aa.csv" is not in "s3://data/tree".* Did you mean "a.csv"'),
        ("s3://data/none/aa.csv", r'"aa.csv" is not in "s3://data/none"'),
        ("s3://data/tree/*.parquet", r"no data file is there"),
        ("s3://data/tree/day=3", r"no data file is there"),
        ("s3://nobucket/a.csv", r'the bucket "nobucket" does not exist \(AWS_ENDPOINT_URL is http'),
        ("s3://nobucket/*.csv", r'the bucket "nobucket" does not exist \(AWS_ENDPOINT_URL is http'),
        ("s3://nobucket", r'the bucket "nobucket" does not exist'),
        ("s3:///a.csv", r"no bucket is named. Write s3://bucket/path"),
        ("s3://data/tree/a.csv?regiom=x", r'option "regiom" is not known.* Did you mean "region"'),
        ("s4://data/tree/a.csv", r's4:// cannot be read; "file://", "s3://"'),
        ("http://data/tree/a.csv", r"http:// cannot be read; .* copy the files to a local disk"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tree, path, sentence):
    with pytest.raises(UserError, match=sentence):
        expand(path)


def test_credentials_in_a_path_are_refused_and_not_repeated(tree):
    with pytest.raises(UserError, match="AWS_ACCESS_KEY_ID") as error:
        expand("s3://someone:geheim@data/tree/a.csv")
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    "path",
    [
        "s3://someone:gehe/im@data/tree/a.csv",
        "gs://someone:geheim@data/a.csv",
        "https://someone:geheim@data/a.csv",
        "https://data/a.csv?token=geheim",
        "s3://data/tree/a.csv?access_key=x&secret_key=geheim",
        "s3://data/tree/a.csv?secret_key=gehe/im+==",
        "gs://data/a.csv?secret=geheim",
        "s3:///a.csv?secret_key=geheim",
        "hdfs://someone:geheim@namenode:8020/a.csv",
    ],
)
def test_no_message_repeats_a_secret(tree, path):
    with pytest.raises(UserError) as error:
        expand(path)
    assert "gehe" not in str(error.value)


@pytest.mark.parametrize(
    "path", ["s3://bucket/a@b.csv?region=x", "hdfs://host:8020/a=b", "s3://bucket/dt=1/a.csv", "file:///a/b@c"]
)
def test_what_is_no_secret_is_shown(path):
    assert masked(path) == path


def test_without_credentials_access_is_denied(tree, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"access is denied .*Check AWS_ACCESS_KEY_ID"):
        expand("s3://data/tree/a.csv")


def test_a_server_that_does_not_answer(s3, monkeypatch):  # noqa: F811
    monkeypatch.setattr("easymtl.data.remote._S3_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"cannot be reached \(AWS_ENDPOINT_URL is http://127\.0\.0\.1:1\).*run again"):
        expand("s3://data/tree/a.csv")


def test_the_endpoint_may_stand_in_the_path(tree, s3_server, monkeypatch):  # noqa: F811
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    host = s3_server.removeprefix("http://")
    for option in (f"endpoint_override={s3_server}", f"scheme=http&endpoint_override={host}&region=us-east-1"):
        (file,) = expand(f"s3://data/tree/a.csv?{option}")
        assert file.name == "s3://data/tree/a.csv"
        assert file.read_at(0, 5) == b"x"


def test_an_object_that_vanishes_or_is_replaced(put, s3, make_config):  # noqa: F811
    put(**{"gone/a.csv": csv_rows(0, 100)})
    source = open_source("s3://data/gone", make_config("i:INT64 s"), ["i"], block_bytes=100)
    put(**{"gone/a.csv": csv_rows(0, 10)})
    with pytest.raises(UserError, match=r"s3://data/gone/a\.csv: the file was cut short"):
        list(source.read(source.blocks[-1]))
    s3.delete_object(Bucket="data", Key="gone/a.csv")
    with pytest.raises(UserError, match=r"s3://data/gone/a\.csv: this data file is gone"):
        list(source.read(source.blocks[0]))


def test_a_copy_on_a_server_is_the_same_data(put, tmp_path):
    contents = {f"{name}.csv": name.encode() * size for name, size in {"a": 5, "b": 200_000, "c": 0}.items()}
    put(**{f"copy/{name}": content for name, content in contents.items()})
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert fingerprint(expand("s3://data/copy")) == fingerprint(expand(str(tmp_path)))


def test_gs_and_hdfs_go_through_arrow(monkeypatch):
    place = locate("gs://bucket/folder/*.csv")
    assert (place.path, place.name_of("bucket/folder/a.csv")) == ("bucket/folder/*.csv", "gs://bucket/folder/a.csv")
    assert isinstance(place.filesystem, fs.GcsFileSystem)

    def unavailable(uri):
        raise OSError("Unable to load libjvm\ndlopen(...) failed")

    monkeypatch.setattr("easymtl.data.remote.fs", SimpleNamespace(FileSystem=SimpleNamespace(from_uri=unavailable)))
    with pytest.raises(UserError, match=r"hdfs:// is not available here: Unable to load libjvm\. .*set JAVA_HOME"):
        locate("hdfs://name:8020/x")


def test_only_uris_of_other_machines_are_remote():
    assert [is_remote(path) for path in ("a", "/a", "file:///a", "s3://a", "C:/a", "a:b/c")] == [
        False, False, False, True, False, False,
    ]  # fmt: skip
    assert explain("/data/a.csv", OSError("ACCESS_DENIED")) == "ACCESS_DENIED."


def test_folders_are_columns_and_stray_files_are_named(put, make_config):
    table = io.BytesIO()
    pq.write_table(pa.table({"x": [["a"], ["b"]], "i": [1, 2]}), table)
    put(**{"days/dt=a%2Fb/hour=07/p.parquet": table.getvalue()})
    config = make_config("i:INT64 dt hour:INT32")
    source = open_source("s3://data/days/", config, ["hour", "dt", "i"])
    (batch,) = source.read(source.blocks[0])
    assert batch.to_pylist() == [{"hour": 7, "dt": "a/b", "i": 1}, {"hour": 7, "dt": "a/b", "i": 2}]
    put(**{"days/README.md": b"Days."})
    with pytest.raises(UserError, match=r'^s3://data/days/README\.md: this file lies among Parquet files in "s3://d'):
        open_source("s3://data/days/", config, ["i"])
    put(**{"comma/a,b.parquet": table.getvalue()})
    assert [file.name for file in expand(r"s3://data/comma/a\,b.parquet")] == ["s3://data/comma/a,b.parquet"]
