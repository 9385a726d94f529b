"""The worked example of docs/guides/add-a-layer.md: its file, its row, its config and its test are run as they are."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.named import LAYERS, Row
from easymtl.models.backbone import GraphError
from easymtl.protos import layer_pb2
from easymtl.protos.model_pb2 import ModelConfig
from tests.models.graphs import ROWS, make_backbone, make_inputs

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "add-a-layer.md").read_text(encoding="utf-8")
FILE, ROW, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(CONFIG,) = re.findall(r"```\n(backbone.*?)```", PAGE, re.DOTALL)
MODULE = "easymtl.layers.named.residual"


def load(name: str, text: str, folder: Path):
    """Imports a text as a module."""
    path = folder / f"{name.rpartition('.')[2]}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """Adds the file and the row of the page; returns the folder."""
    folder = tmp_path_factory.mktemp("layer")
    module = load(MODULE, FILE, folder)
    name, layer, message = re.fullmatch(r'\s*"(\w+)": Row\((\w+), layer_pb2\.(\w+)\),\n', ROW).groups()
    LAYERS[name] = Row(getattr(module, layer), getattr(layer_pb2, message))
    yield folder
    del LAYERS[name], sys.modules[MODULE]


def blocks() -> str:
    backbone = text_format.Parse(CONFIG, ModelConfig()).backbone
    return text_format.MessageToString(backbone)


def test_the_layer_of_the_page_runs_in_a_graph(added):
    backbone, build = make_backbone(blocks())
    (result,), _ = backbone(make_inputs(), Call())
    assert result.shape == (ROWS, 12)
    assert [name for name in build.parameters if name.endswith("kernel")] == [
        "backbone/deep/dnn_0/kernel",
        "backbone/deep/back/kernel",
    ]
    assert isinstance(build, Build) and len(build.regularized) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("hidden_units", "hidden_unit"), '"hidden_unit" is no parameter of this layer; there are "hidden_units", '),
        (("number_value: 8", "number_value: 8.5"), "hidden_units is 8.5; it needs a whole number."),
        (("list_value { values { number_value: 8 } }", "list_value { }"), '"deep" (Residual) needs hidden_units, for'),
        (('"Residual"', '"Residul"'), '"Residul" is no layer; there are'),
    ],
)
def test_what_is_wrong_with_it_is_told_without_further_code(added, monkeypatch, change, says):
    monkeypatch.setattr(f"{__name__}.CONFIG", CONFIG.replace(*change))
    with pytest.raises(GraphError, match=re.escape(says)):
        make_backbone(blocks())


def test_the_test_of_the_page_holds(added):
    module = load("test_residual_of_the_page", TEST, added)
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()
