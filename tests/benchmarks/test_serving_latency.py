from benchmarks.latency import Latency
from benchmarks.serving_latency import ENCODE, ONNX, PACKED, TEXT, in_turns, onnx_file, table, with_onnx
from easymtl.serving.formats import packages


def took(milliseconds):
    return Latency(9.0, 9.0, milliseconds, 1.0, 10)


def test_the_table_has_the_processors_time_and_ratios_of_one_run():
    kinds = {TEXT: took(4.0), ENCODE: took(1.5), PACKED: took(2.0), ONNX: took(0.5)}
    without = {kind: kinds[kind] for kind in (TEXT, ENCODE, PACKED)}
    lines = table({"census": {"1": kinds, "1024": without}}).splitlines()
    assert lines[2] == "| census | 1 | 4.00 | 1.50 | 2.00 | 0.50 | 0.50 | 0.25 |"
    assert lines[3] == "| census | 1,024 | 4.00 | 1.50 | 2.00 |  | 0.50 |  |"
    assert len({line.count("|") for line in lines}) == 1


def test_kinds_take_turns_and_the_warm_up_does_not_count():
    seen = []
    kinds = {kind: lambda index, kind=kind: seen.append((kind, index)) for kind in ("a", "b")}
    found = in_turns(kinds, 2, warm_up=1)
    assert seen == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert all(len(seconds) == 2 and min(min(one) for one in seconds) >= 0 for seconds in found.values())


def test_an_export_has_an_onnx_file_where_the_packages_are(tmp_path, monkeypatch, capsys):
    absent = ["onnxruntime"]
    monkeypatch.setattr(packages, "missing_packages", lambda name: absent)
    assert with_onnx() == []
    assert "onnxruntime is not installed" in capsys.readouterr().out
    absent.clear()
    assert with_onnx() == ["export_config.formats=[SAVED_MODEL, ONNX]"]
    assert onnx_file(tmp_path) is None
    own = tmp_path / "assets.extra" / "onnx" / "model.onnx"
    own.parent.mkdir(parents=True)
    own.touch()
    assert onnx_file(tmp_path) == own
