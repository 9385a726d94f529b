"""The text that a block graph is drawn as."""

import io

from rich.console import Console

from easymtl.reporting.block_graph import print_graph
from tests.models.graphs import make_backbone

GRAPH = """
    packages {
      name: "enc"
      blocks { name: "net" inputs { use_package_input: true } inputs { block_name: "fea" input_slice: "[0]" } }
    }
    blocks {
      name: "fea" inputs { feature_group_name: "all" } input_layer { only_output_feature_list: true dropout_rate: 0.25 }
    }
    blocks {
      name: "rep" inputs { block_name: "fea" } extra_input_fn: "lambda x: x[1:]"
      repeat { num_repeat: 2 input_slice: "[i]" keras_layer { class_name: "Dense" st_params {
        fields { key: "units" value { number_value: 3 } } } } }
    }
    blocks {
      name: "chain" inputs { feature_group_name: "other" }
      layers { lambda { expression: "lambda x: x * 2" } }
      layers { recurrent { num_steps: 3 keras_layer { class_name: "ReLU" } } }
    }
    blocks {
      name: "join"
      inputs { package_name: "enc" package_input: "chain" }
      inputs { block_name: "rep" ignore_input: true }
    }
    output_blocks: ["join", "chain"]
"""


def drawn(text: str) -> list[list[str]]:
    """Returns the cells of the lines that a graph is drawn as."""
    backbone, _ = make_backbone(text)
    out = io.StringIO()
    print_graph(backbone.plan, Console(file=out, width=400))
    lines = [line for line in out.getvalue().split("\n") if line.strip() and not line.startswith("─")]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_each_block_stands_with_what_it_reads_does_and_gives():
    assert drawn(GRAPH) == [
        ["block graph", "reads", "does", "gives"],
        ["other", "group other", "input_layer", "[batch, 5]"],
        ["chain", "other", "lambda x: x * 2 > 3 x ReLU in a row", "[batch, 5]"],
        ["fea", "group all", "input_layer, dropout_rate 0.25, only_output_feature_list", "a list of 3 x [batch, 4]"],
        ["rep", "fea", "lambda x: x[1:], 2 x Dense", "a list of 2 x [batch, 3]"],
        ["join", "enc(chain), (after rep)", "join", "[batch, 9]"],
        ["=>", "[join, chain]", "list", "a list ([batch, 9], [batch, 5])"],
        ["package enc", "reads", "does", "gives"],
        ["net", "package input, backbone/fea[0]", "join", "[batch, 9]"],
        ["=>", "net", "[batch, 9]"],
    ]
