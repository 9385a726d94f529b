"""`~` is the home folder wherever a path is read."""

from pathlib import Path

import pytest

from easymtl.cli import build_parser, main
from easymtl.config.edits import FLAGS
from easymtl.config.home import expand_home


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expanded"),
    [
        ("~", "HOME"),
        ("~/a.csv", "HOME/a.csv"),
        ("~/a.csv,b.csv, ~/c/*.csv", "HOME/a.csv,b.csv, HOME/c/*.csv"),
        ("a~/b", "a~/b"),
        ("a/~/b", "a/~/b"),
        ("s3://bucket/~/a", "s3://bucket/~/a"),
        ("~nobody-of-that-name/a", "~nobody-of-that-name/a"),
        ("", ""),
    ],
)
def test_paths_are_written_out(home, paths, expanded):
    assert expand_home(paths) == expanded.replace("HOME", str(home))


def test_paths_of_a_config_and_of_set_are_written_out(load, home):
    (home / "words.txt").write_text("a\nb\n")
    feature = ("hash_bucket_size: 50", 'vocab_file: "~/words.txt"')
    train = ('"train.csv"', '"~/train.csv,~/more.csv"')
    asset = ("feature_config {", 'export_config { asset_files: "~/words.txt" }\nfeature_config {')
    cache = ("batch_size: 64", 'batch_size: 64 encoded_cache { path: "~/cache" }')
    pipeline = load(feature, train, asset, cache, overrides=("model_dir=~/model",)).pipeline
    assert pipeline.data_config.encoded_cache.path == str(home / "cache")
    assert pipeline.train_input_path == f"{home}/train.csv,{home}/more.csv"
    assert pipeline.model_dir == f"{home}/model"
    assert pipeline.feature_config.features[0].vocab_file == f"{home}/words.txt"
    assert list(pipeline.export_config.asset_files) == [f"{home}/words.txt"]


def test_what_is_not_set_stays_so(load):
    pipeline = load().pipeline
    assert not pipeline.HasField("export_config")
    assert not pipeline.HasField("parquet_train_input")


def test_paths_of_the_command_line_are_written_out(home, capsys):
    assert main(["check", "--pipeline_config=~/x.config"]) == 2
    assert f"{home}/x.config: there is no such file" in capsys.readouterr().err
    assert main(["synth", "tenrec", "--rows", "20", "--eval_rows", "10", "--out=~/made"]) == 0
    assert (Path(home) / "made" / "train.parquet").exists()


def test_every_flag_that_names_files_takes_a_path(home):
    """Those that stand for fields of the config are written out with the config."""
    flags = [(name, flag) for name, verb in build_parser().verbs.items() for flag in verb._actions]
    places = ("FILE", "DIR", "PATH", "PATHS", "WHICH", "EXPORT")
    found = [(name, flag) for name, flag in flags if flag.metavar in places and flag.dest not in FLAGS]
    assert len(found) >= 20
    for name, flag in found:
        assert flag.type is not None and flag.type("~/x") == f"{home}/x", f"{name} {flag.dest}"
