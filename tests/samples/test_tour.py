"""The configs of samples/tour load, read data that can be made, and are listed."""

from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.sample_data import ROOT, TOUR, data_set_of, sample_names
from easymtl.config import load_config, view
from easymtl.config.variable_map import read_variable_map
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.synth import DATA_SETS, default_folder, read_batches
from easymtl.synth.posts import TOPICS, WORDS

PATHS = sorted(TOUR.glob("*.config"))
NUMBERS = {"INT32": pa.types.is_integer, "INT64": pa.types.is_integer, "BOOL": pa.types.is_integer}
NUMBERS |= dict.fromkeys(("FLOAT", "DOUBLE"), lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind))


@cache
def columns_of(data_set: str) -> pa.Schema:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(DATA_SETS[data_set]), "block_rows", 64, raising=False)
        return next(read_batches(data_set, 1)).schema


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    """Paths of vocabularies are relative to the root of the checkout."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def config(request):
    return load_config(str(request.param.relative_to(ROOT)))


def test_a_config_loads_without_a_note_and_reads_what_can_be_made(config):
    pipeline = config.pipeline
    name = pipeline.model_dir.removeprefix("model_dir/")
    assert Path(TOUR / f"{name}.config") in PATHS
    if pipeline.data_config.input_type == DatasetConfig.DummyInput:
        assert [note for note in config.notes if "rows are made up" not in str(note)] == []
        return
    assert not config.notes
    data_set = data_set_of(config)
    folders = {Path(path).parent for path in (view.train_input(pipeline), view.eval_input(pipeline))}
    assert folders == {Path(default_folder(data_set))}
    schema = columns_of(data_set)
    for field in pipeline.data_config.input_fields:
        for column in view.expand_range(field.input_name):
            fits = NUMBERS.get(DatasetConfig.FieldType.Name(field.input_type), lambda kind: True)
            assert fits(schema.field(column).type), column
    read = {name for feature in view.features(pipeline) for name in feature.input_names}
    assert not {name for name in read if name.startswith("true_")}


def test_a_config_starts_from_a_model_of_another_sample(config):
    start = config.pipeline.train_config.fine_tune_checkpoint
    if start:
        assert start.startswith("model_dir/")
        assert Path(start).name in {*sample_names(), *(path.stem for path in PATHS)}


def test_a_config_says_in_two_lines_what_it_shows_and_where_its_data_comes_from():
    for path in PATHS:
        first, second = path.read_text(encoding="utf-8").splitlines()[:2]
        assert first.startswith("# ") and second.startswith("# Data: "), path.stem


def test_the_list_of_the_tour_is_whole():
    listed = (ROOT / "samples" / "README.md").read_text(encoding="utf-8")
    assert [path.stem for path in PATHS if f"`{path.name}`" not in listed] == []


def test_the_files_of_the_tour_are_those_of_the_data():
    assert (TOUR / "topics.txt").read_text().split() == TOPICS
    assert (TOUR / "words.txt").read_text().split() == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    lines, problems = read_variable_map(str(TOUR / "names_of_dbmtl.txt"))
    assert lines and not problems
