"""Block graphs as graphs: what names stand for, in what order blocks run, and what comes out."""

import pytest
from google.protobuf import text_format

from easymtl.config.block_graph import block_outputs, graph_of, keras_layers, read_graph, wiring
from easymtl.config.block_graph.ordering import circle, sort
from easymtl.protos.backbone_pb2 import BackboneTower
from easymtl.protos.pipeline_pb2 import Pipeline

GROUPS = ["all", "user", "wide"]


def read(text: str):
    return read_graph(text_format.Parse(text, BackboneTower()), "backbone", GROUPS)


def block(name: str, *inputs: str, rest: str = "") -> str:
    written = " ".join(f"inputs {{ {one} }}" for one in inputs)
    return f'blocks {{ name: "{name}" {written} {rest} }}'


def group(name: str) -> str:
    return f'feature_group_name: "{name}"'


def from_block(name: str, rest: str = "") -> str:
    return f'block_name: "{name}" {rest}'


A = block("a", group("all"))


def test_each_block_runs_behind_what_it_reads_whatever_the_order_of_the_config():
    graph = read(block("c", from_block("b"), from_block("a")) + block("b", from_block("a")) + A)
    assert graph.faults == []
    assert graph.main.order == ["all", "a", "b", "c"]


def test_what_is_free_is_taken_from_the_end_as_easyrec_numbers_its_layers():
    graph = read(A + block("b", group("user")))
    assert graph.main.order == ["user", "b", "all", "a"]


def test_reading_a_group_implies_an_input_layer_of_its_name():
    graph = read(A + block("b", group("all")))
    node = graph.main.nodes["all"]
    assert node.is_implied and node.group == "all" and node.kind == "input_layer"
    assert graph.groups_read() == {"all"}


def test_a_block_that_is_the_input_layer_of_a_group_is_what_reading_the_group_gets():
    text = block("all", group("all"), rest="input_layer { only_output_feature_list: true }") + A
    graph = read(text)
    assert graph.faults == []
    assert not graph.main.nodes["all"].is_implied
    assert graph.main.order == ["all", "a"]


def test_a_group_name_may_name_a_block():
    graph = read(A + block("b", group("a")))
    assert graph.faults == []
    assert graph.main.order == ["all", "a", "b"]


@pytest.mark.parametrize(
    ("rest", "results", "is_list"),
    [
        ("", ["b", "c"], False),
        ('concat_blocks: ["c", "a"]', ["c", "a"], False),
        ('output_blocks: ["a", "a"]', ["a", "a"], True),
    ],
)
def test_the_result_is_what_is_named_or_what_nothing_reads(rest, results, is_list):
    graph = read(A + block("b", from_block("a")) + block("c", from_block("a")) + rest)
    assert graph.faults == []
    assert (graph.main.results, graph.main.is_list) == (results, is_list)


def test_a_loss_is_no_result_and_neither_is_what_is_only_waited_for():
    loss = block("aux", from_block("a"), rest='keras_layer { class_name: "AuxiliaryLoss" }')
    graph = read(A + loss + block("b", from_block("a"), from_block("aux", "ignore_input: true")))
    assert graph.main.results == ["b"]
    graph = read(A + loss + block("b", from_block("a")))
    assert graph.main.results == ["b"]


PACKAGE = 'packages { name: "p" blocks { name: "n" inputs { use_package_input: true } %s } }'


def test_a_block_waits_for_what_its_packages_are_called_with_and_read_outside():
    outside = PACKAGE % 'inputs { block_name: "z" }'
    called = block("j", 'package_name: "p" package_input: "a"')
    graph = read(called + A + block("z", group("user")) + outside)
    assert graph.faults == []
    assert graph.main.order.index("j") > max(graph.main.order.index(name) for name in ("a", "z"))
    assert graph.main.results == ["j"]
    assert graph.outer_reads("p") == {"z"}
    assert graph.takes_input("p")


def test_a_package_that_is_called_by_a_package_brings_its_reads_along():
    inner = 'packages { name: "q" blocks { name: "n" inputs { block_name: "z" } } }'
    outer = 'packages { name: "p" blocks { name: "n" inputs { package_name: "q" } } }'
    graph = read(block("j", 'package_name: "p"') + block("z", group("all")) + inner + outer)
    assert graph.faults == []
    assert graph.main.order == ["all", "z", "j"]
    assert graph.outer_reads("p") == {"z"}


def test_what_a_package_alone_reads_is_no_result():
    package = f'packages {{ name: "p" {block("inner", from_block("a"))} }}'
    assert read(package + A + block("b", group("user"))).main.results == ["b"]


def test_groups_are_read_first_by_the_package_that_another_one_is_called_with():
    packages = (
        f'packages {{ name: "p" {block("x", group("all"))} }} packages {{ name: "q" {block("y", group("user"))} }}'
    )
    graph = read(packages + block("b", 'package_name: "p" package_input: "q"'))
    assert [(scope.name, node.group) for scope, node in graph.reading_order()] == [("q", "user"), ("p", "all")]


def test_a_package_may_be_called_with_what_a_call_of_it_gave():
    twice = block("b", 'package_name: "p" package_input: "a"') + block("c", 'package_name: "p" package_input: "b"')
    graph = read(A + twice + PACKAGE % "")
    assert graph.faults == []
    assert graph.main.order == ["all", "a", "b", "c"]


FAULTS = {
    "nothing": ("", "backbone has no blocks."),
    "no name": ('blocks { inputs { block_name: "a" } }', "backbone.blocks[0] has no name."),
    "taken": (A + A, 'backbone.blocks[1].name "a" is taken by another block. Rename one of them.'),
    "unknown block": (
        block("towers", group("all")) + block("b", from_block("tower")),
        'backbone.blocks[1].inputs[0].block_name "tower" is not in the blocks ("towers", "b", "all"). '
        'Did you mean "towers"?',
    ),
    "unknown group": (
        block("a", group("usr")),
        'backbone.blocks[0].inputs[0].feature_group_name "usr" is not in the feature groups or blocks '
        '("all", "user", "wide", "a"). Did you mean "user"?',
    ),
    "block for group": (
        block("a", from_block("user")),
        'backbone.blocks[0].inputs[0].block_name "user" is none of the blocks. Write feature_group_name: "user".',
    ),
    "unknown package": (
        A + block("b", 'package_name: "q"') + PACKAGE % "",
        'backbone.blocks[1].inputs[0].package_name "q" is not in the packages ("p").',
    ),
    "unknown package input": (
        A + block("b", 'package_name: "p" package_input: "aa"') + PACKAGE % "",
        'backbone.blocks[1].inputs[0].package_input "aa" is not in the blocks ("a", "b", "all").',
    ),
    "names nothing": (
        block("a", ""),
        "backbone.blocks[0].inputs[0] names nothing; write feature_group_name, block_name or package_name.",
    ),
    "package input outside": (
        block("a", "use_package_input: true"),
        "backbone.blocks[0].inputs[0].use_package_input stands in no package: name a block or a feature group",
    ),
    "package input false": (
        A + block("b", 'package_name: "p"') + (PACKAGE % "").replace("true", "false"),
        "backbone.packages[0].blocks[0].inputs[0].use_package_input cannot be false",
    ),
    "circle": (
        block("a", from_block("c")) + block("b", from_block("a")) + block("c", from_block("b"), group("all")),
        'backbone.blocks[0] "a" reads itself: a -> b -> c -> a (each is read by the next one).',
    ),
    "itself": (block("a", from_block("a")), '"a" reads itself: a -> a'),
    "circle of packages": (
        block("a", 'package_name: "p"')
        + 'packages { name: "p" blocks { name: "n" inputs { package_name: "q" } } }'
        + 'packages { name: "q" blocks { name: "n" inputs { package_name: "p" } } }',
        "backbone.packages[0] calls itself: p -> q -> p (each calls the next one).",
    ),
    "packages that call each other twice": (
        block("x", 'package_name: "p12"')
        + 'packages { name: "p0" blocks { name: "n" inputs { feature_group_name: "all" } } }'
        + "".join(
            f'packages {{ name: "p{number + 1}" blocks {{ name: "n" inputs {{ package_name: "p{number}" }} '
            f'inputs {{ package_name: "p{number}" }} }} }}'
            for number in range(12)
        ),
        "backbone calls packages 8,191 times, with the calls inside of packages; at most 1,000 are possible.",
    ),
    "a long way of packages": (
        block("x", 'package_name: "p60"')
        + 'packages { name: "p0" blocks { name: "n" inputs { feature_group_name: "all" } } }'
        + "".join(
            f'packages {{ name: "p{number + 1}" blocks {{ name: "n" inputs {{ package_name: "p{number}" }} }} }}'
            for number in range(60)
        ),
        "backbone.packages[60] is the first of 61 packages that call each other; at most 50 may.",
    ),
    "circle through a package": (
        block("a", 'package_name: "p"') + 'packages { name: "p" blocks { name: "n" inputs { block_name: "a" } } }',
        'backbone.blocks[0] "a" reads itself: a -> a',
    ),
    "named as a group": (
        block("user", group("all")),
        'backbone.blocks[0].name "user" is the name of a feature group, and the block is something else',
    ),
    "both": (
        A + 'concat_blocks: "a" output_blocks: "a"',
        "backbone.concat_blocks is written beside output_blocks, which alone counts. Keep one of them.",
    ),
    "unknown result": (
        A + 'concat_blocks: "b"',
        'backbone.concat_blocks[0] "b" is not in the blocks ("a", "all").',
    ),
    "package taken": (A + PACKAGE % "" + PACKAGE % "", 'backbone.packages[1].name "p" is taken by another package.'),
    "package as block": (block("p", group("all")) + PACKAGE % "", 'backbone.packages[0].name "p" is taken by a block.'),
    "package without name": (A + "packages { }", "backbone.packages[0] has no name."),
    "package without blocks": (A + 'packages { name: "p" }', "backbone.packages[0] has no blocks."),
    "nothing comes out": (
        block("a", group("all"), rest='keras_layer { class_name: "AuxiliaryLoss" }'),
        "backbone has no result: all its blocks are losses. Name concat_blocks.",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_told_with_its_place(case):
    text, says = FAULTS[case]
    faults = [f"{fault.path} {fault.text}" for fault in read(text).faults]
    assert any(says in fault for fault in faults), faults
    assert len(faults) == 1, faults


def test_layers_have_the_names_of_their_places():
    rest = """layers { keras_layer { class_name: "A" } } layers { lambda { expression: "lambda x: x" } }
        layers { repeat { num_repeat: 2 keras_layer { class_name: "B" } } }"""
    graph = read(
        block("c", group("all"), rest=rest) + block("r", group("all"), rest="recurrent { num_steps: 2 keras_layer {} }")
    )
    names = [name for node in graph.main.nodes.values() for name, _, _ in keras_layers(node)]
    assert names == ["c_l0", "c_l2_0", "c_l2_1", "r_0", "r_1"]


def test_a_config_without_a_backbone_has_no_graph():
    assert graph_of(Pipeline()) is None
    assert block_outputs(Pipeline()) == {}


def test_outputs_are_told_by_either_form_of_parameters():
    text = """model_config { backbone {
        blocks { name: "a" keras_layer { class_name: "MLP" mlp { add_to_outputs: true } } }
        blocks { name: "b" keras_layer { class_name: "MLP" mlp { } } }
        blocks { name: "c" layers { keras_layer { class_name: "MLP" st_params {
            fields { key: "add_to_outputs" value { bool_value: true } } } } } } } }"""
    pipeline = text_format.Parse(text, Pipeline())
    assert block_outputs(pipeline) == {
        "a": "model_config.backbone.blocks[0].keras_layer",
        "c_l0": "model_config.backbone.blocks[2].layers[0].keras_layer",
    }


def test_the_wiring_of_a_graph_is_all_but_its_layers_and_dropout():
    text = """model_config { feature_groups { group_name: "all" } backbone {
        blocks { name: "a" inputs { feature_group_name: "all" } input_layer { dropout_rate: %s do_batch_norm: true } }
        blocks { name: "b" inputs { block_name: "a" input_slice: "%s" }
                 repeat { num_repeat: 2 keras_layer { class_name: "%s" } } } } }"""

    def of(*parts: str) -> dict[str, str]:
        return wiring(text_format.Parse(text % parts, Pipeline()))

    first = of("0.1", "[:, 1:]", "A")
    assert first == of("0.2", "[:, 1:]", "B")
    assert first["backbone/b"] != of("0.1", "[:, :1]", "A")["backbone/b"]
    assert first["backbone results"] == "b"
    assert first == of("0.1 feature_dropout_rate: 0.3", "[:, 1:]", "A")
    assert "do_batch_norm: true" in first["backbone/a"] and "num_repeat: 2" in first["backbone/b"]


def test_sorting_leaves_out_circles_and_what_needs_them():
    assert sort({"a": [], "b": ["c"], "c": ["b"], "d": ["c", "a"]}) == ["a"]
    assert circle({"a": [], "b": ["c"], "c": ["b"], "d": ["c", "a"]}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": ["b"], "b": []}) == []
