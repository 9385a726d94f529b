"""Rules of block graphs: each mistake with the line of its block, and none where a config is right."""

import pytest

from easymtl.config import load_config
from tests.errors.project import CONFIG, replaced

GRAPH = """  feature_groups { group_name: "numbers" feature_names: "price" }
  backbone {
    packages {
      name: "enc"
      blocks {
        name: "net"
        inputs { use_package_input: true }
        keras_layer { class_name: "MLP" mlp { hidden_units: 4 } }
      }
    }
    blocks {
      name: "fea"
      inputs { feature_group_name: "all" }
      input_layer { only_output_feature_list: true }
    }
    blocks {
      name: "deep"
      inputs { block_name: "fea" input_fn: "lambda x: tf.concat(x, axis=1)" }
      keras_layer { class_name: "MLP" mlp { hidden_units: [8] } }
    }
    blocks {
      name: "join"
      inputs { package_name: "enc" package_input: "deep" }
      inputs { feature_group_name: "numbers" }
    }
    concat_blocks: "join"
  }
  model_params {
"""
BASE = replaced(CONFIG, ("  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }\n", GRAPH))
LINES = BASE.split("\n")
DEEP = 'inputs { block_name: "fea" input_fn: "lambda x: tf.concat(x, axis=1)" }'
FEA = 'inputs { feature_group_name: "all" }\n      input_layer { only_output_feature_list: true }'
CALL = 'inputs { package_name: "enc" package_input: "deep" }'


@pytest.fixture
def problems_of(problems):
    return lambda *changes: problems(*changes, text=BASE)


def test_the_config_that_the_cases_start_from_is_right(load):
    assert load(text=BASE).notes == []


CASES = {
    "unknown block": (
        (DEEP, 'inputs { block_name: "fae" }'),
        'inputs[0].block_name "fae" is not in the blocks ("fea", "deep", "join", "numbers").',
        'Did you mean "fea"?',
    ),
    "unknown group": ((FEA, FEA.replace('"all"', '"al"')), '"al" is not in the feature groups ("all", "numbers").', ""),
    "circle": (
        (FEA, 'inputs { block_name: "join" }'),
        '"fea" reads itself: fea -> deep -> join -> fea (each is read by the next one).',
        "",
    ),
    "no inputs": ((DEEP, ""), '"deep" reads nothing; write inputs { feature_group_name: "..." } or inputs', ""),
    "two layers": (
        (DEEP, f"{DEEP} layers {{ keras_layer {{ class_name: 'MLP' }} }}"),
        "keras_layer stands beside layers, which alone would run.",
        "",
    ),
    "empty layer": (
        (f'{DEEP}\n      keras_layer {{ class_name: "MLP" mlp {{ hidden_units: [8] }} }}', f"{DEEP} layers {{ }}"),
        "layers[0] is empty; it needs a keras_layer, lambda, repeat or recurrent.",
        "",
    ),
    "package called with one that takes an input": (
        (CALL, CALL.replace('"deep"', '"enc"')),
        'inputs[0].package_input calls "enc", which has a block with use_package_input, with nothing: call it in a',
        "",
    ),
    "two groups": (
        (FEA, FEA.replace("inputs", 'inputs { feature_group_name: "numbers" } inputs', 1)),
        "inputs[1] is one too many: input_layer reads one feature group.",
        "",
    ),
    "block into input layer": (
        (FEA, FEA.replace("feature_group_name", "block_name").replace("all", "deep")),
        'cannot feed input_layer, which reads a group: feature_group_name: "...".',
        "",
    ),
    "function in input layer": (
        (FEA, FEA.replace('"all"', '"all" input_fn: "lambda x: x"')),
        "inputs[0].input_fn has no effect in a block with input_layer, which hands on what it reads",
        'write it in a block that reads block_name: "fea".',
    ),
    "two forms": (
        (FEA, FEA.replace("true }", "true only_output_3d_tensor: true }")),
        "input_layer.only_output_3d_tensor and only_output_feature_list are two forms of the result.",
        "",
    ),
    "two norms": (
        (FEA, FEA.replace("true }", "true do_batch_norm: true do_layer_norm: true }")),
        "input_layer.do_layer_norm and do_batch_norm: a value has one norm.",
        "",
    ),
    "norm of histories": (
        (FEA, FEA.replace("only_output_feature_list: true", "output_seq_and_normal_feature: true dropout_rate: 0.1")),
        "input_layer.dropout_rate has no effect with output_seq_and_normal_feature.",
        "",
    ),
    "unjoined": (
        (FEA, FEA.replace("true }", "true concat_seq_feature: false }")),
        "input_layer.concat_seq_feature goes with output_seq_and_normal_feature: true alone.",
        "",
    ),
    "rate": ((FEA, FEA.replace("true }", "true dropout_rate: 1 }")), "dropout_rate is 1, outside of [0, 1).", ""),
    "grammar": (
        ("lambda x: tf.concat(x, axis=1)", "lambda x: tf.concat(y, axis=1)"),
        'inputs[0].input_fn "lambda x: tf.concat(y, axis=1)", column 21: "y" is not in the parameters of the lambda',
        "",
    ),
    "slice": (
        (DEEP, 'inputs { block_name: "fea" input_slice: "0" }'),
        'input_slice "0", column 1: a slice such as',
        "",
    ),
    "ignored function": (
        (DEEP, f"{DEEP} inputs {{ block_name: 'fea' ignore_input: true input_slice: '[0]' }}"),
        "inputs[1].input_slice has no effect with ignore_input.",
        "",
    ),
    "all ignored": ((DEEP, 'inputs { block_name: "fea" ignore_input: true }'), '"deep" ignores all its inputs', ""),
    "axis of a list": (
        (DEEP, f"{DEEP} merge_inputs_into_list: true input_concat_axis: 1"),
        "input_concat_axis has no effect with merge_inputs_into_list.",
        "",
    ),
    "package input of no package": (
        (DEEP, DEEP.replace(" input_fn", ' package_input: "fea" input_fn')),
        "package_input goes with package_name alone.",
        "",
    ),
    "package without input": (
        (CALL, 'inputs { package_name: "enc" } inputs { block_name: "deep" }'),
        'inputs[0] calls "enc", which has a block with use_package_input: write package_input: "..." here.',
        "",
    ),
    "package that reads no input": (
        ("inputs { use_package_input: true }", 'inputs { feature_group_name: "all" }'),
        'package_input is read by no block of "enc"',
        "",
    ),
    "function of no package input": (
        (CALL, 'inputs { package_name: "enc" package_input_fn: "lambda x: x" } inputs { block_name: "deep" }'),
        "package_input_fn has no package_input that it could be applied to.",
        "",
    ),
    "reset of nothing": (
        (CALL, CALL.replace(' package_input: "deep"', ' package_input: "deep" reset_input { do_batch_norm: true }')),
        'reset_input has no effect: no block of "enc" reads a feature group.',
        "",
    ),
    "repeat of nothing": (
        ('keras_layer { class_name: "MLP" mlp { hidden_units: [8] } }', "repeat { num_repeat: 2 }"),
        "blocks[1].repeat has no keras_layer { class_name: ... }",
        "",
    ),
    "no copies": (
        ('keras_layer { class_name: "MLP" mlp { hidden_units: [8] } }', "repeat { num_repeat: 0 keras_layer { } }"),
        "repeat.num_repeat is 0, outside of [1, 1000].",
        "",
    ),
    "empty lambda": (
        ('keras_layer { class_name: "MLP" mlp { hidden_units: [8] } }', "lambda { }"),
        'blocks[1].lambda has no expression, for example "lambda x: tf.add_n(x)".',
        "",
    ),
    "wide without width": (
        ('group_name: "numbers"', 'group_name: "numbers" wide_deep: WIDE'),
        "wide_deep is WIDE, which a backbone reads by input_layer { wide_output_dim: 1 }; there is none.",
        "",
    ),
    "width without wide": (
        (FEA, FEA.replace("true }", "true wide_output_dim: 1 }")),
        "input_layer.wide_output_dim has no effect: no feature group is wide_deep: WIDE.",
        "",
    ),
    "outputs": (
        ("  model_params {\n", '  model_params {\n    outputs: "deep"\n'),
        'outputs[0] "deep" is no MLP with add_to_outputs: true',
        "",
    ),
    "unknown output": (
        ("  model_params {\n", '  model_params {\n    outputs: "dep"\n'),
        'outputs[0] "dep" is not in the blocks with add_to_outputs ().',
        "",
    ),
    "output as tower": (
        ("  model_params {\n", '  model_params {\n    outputs: "ctr"\n'),
        'outputs[0] "ctr" is a tower, whose predictions come out anyway.',
        "",
    ),
    "retrieval": (
        ("  model_params {\n", "  model_params {\n    temperature: 2\n"),
        "temperature is not supported. It belongs to retrieval models: leave it out.",
        "",
    ),
    "no embedding_dim": (
        ("input_layer { only_output_feature_list: true }", "embedding_layer { }"),
        "blocks[0].embedding_layer needs embedding_dim, for example embedding_dim: 16.",
        "",
    ),
    "numbers in an embedding layer": (
        ("input_layer { only_output_feature_list: true }", 'embedding_layer { embedding_dim: 3 combiner: "mean" }'),
        '"all" has "price", a RawFeature without boundaries: an embedding layer looks ids up.',
        "",
    ),
    "largest of several": (
        ("input_layer { only_output_feature_list: true }", 'embedding_layer { embedding_dim: 3 combiner: "max" }'),
        'embedding_layer.combiner "max" is not supported for features of several values ("tags"): write mean or sum.',
        "",
    ),
    "tags as a column": (
        ("input_layer { only_output_feature_list: true }", "raw_input { }"),
        '"all" has "tags", a TagFeature: raw_input reads features of one value for each row',
        "",
    ),
    "passed through": (
        ('"price" feature_type: RawFeature', '"price" feature_type: PassThroughFeature'),
        '"price" is a PassThroughFeature, which has no vector',
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told(problems_of, case):
    change, *says = CASES[case]
    found = problems_of(change)
    assert any(all(one in line for one in says) for line in found), found
    assert all(line.startswith("x.config:") for line in found)


def test_a_mistake_has_the_line_of_its_block(problems_of):
    line = next(number for number, text in enumerate(LINES, start=1) if DEEP in text)
    assert problems_of((DEEP, 'inputs { block_name: "fae" }'))[0].startswith(f"x.config:{line}: ")


def test_rates_of_features_do_not_go_with_histories(problems_of):
    changes = (
        (FEA, FEA.replace("only_output_feature_list: true", "output_seq_and_normal_feature: true")),
        ("  model_params {\n", "  variational_dropout { }\n  model_params {\n"),
    )
    says = "output_seq_and_normal_feature and model_config.variational_dropout, which learns rates"
    assert any(says in line for line in problems_of(*changes))


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("input_layer { only_output_feature_list: true }", ""),
        ("raw_input { }", 'feature_dropout_rate drops vectors, and the block "fea" (raw_input) reads the columns'),
    ],
)
def test_columns_that_are_read_as_they_are_have_no_feature_dropout(problems_of, block, says):
    changes = (
        ("input_layer { only_output_feature_list: true }", block),
        ('group_name: "all"', 'group_name: "all" feature_dropout_rate: 0.1'),
    )
    assert any(says in line for line in problems_of(*changes)) if says else not problems_of(*changes)


def test_a_look_up_has_several_values_as_tags_have(problems_of):
    changes = (
        ("input_layer { only_output_feature_list: true }", 'embedding_layer { embedding_dim: 3 combiner: "min" }'),
        (
            'input_names: "tags" feature_type: TagFeature',
            'feature_name: "found" input_names: ["tags", "user"] feature_type: LookupFeature',
        ),
        ('["user", "tags", "price"]', '["user", "found"]'),
    )
    found = problems_of(*changes)
    assert any('"min" is not supported for features of several values ("found")' in line for line in found), found


def test_two_layers_of_one_name_are_told(problems_of):
    layer = 'keras_layer { class_name: "Dense" }'
    extra = f'name: "join_0" inputs {{ block_name: "deep" }} {layer} }} blocks {{ name: "join" repeat {{ {layer} }}'
    says = 'has a layer "join_0", and so has the block "join_0". Rename one of them.'
    found = problems_of(('name: "join"', extra))
    assert any(says in line for line in found), found
    # The block "net" of the package "enc" and this one would share their weights.
    found = problems_of(('name: "deep"', 'name: "enc/net"'), ('package_input: "deep"', 'package_input: "enc/net"'))
    assert any('packages[0].blocks[0] has a layer "enc/net", and so has the block "enc/net".' in line for line in found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('    concat_blocks: "join"\n', ""), None),
        (
            ('    concat_blocks: "join"\n', '    blocks { name: "side" inputs { block_name: "deep" } }\n'),
            'has no concat_blocks: the blocks that no other reads are joined, "join", "side".',
        ),
        (
            (
                '    concat_blocks: "join"\n',
                '    blocks { name: "side" inputs { block_name: "deep" } }\n    concat_blocks: "join"\n',
            ),
            '"side" is read by nothing.',
        ),
        ((CALL, 'inputs { block_name: "deep" }'), '"enc" is called by no block: it has no effect.'),
        (('inputs { feature_group_name: "numbers" }\n', "\n"), '"numbers" is read by nothing in the model.'),
        (
            ("mlp { hidden_units: [8] }", "mlp { hidden_units: [8] add_to_outputs: true }"),
            '"deep" has add_to_outputs, and model_config.model_params.outputs does not name it: it has no effect.',
        ),
        (
            ("mlp { hidden_units: 4 }", "mlp { hidden_units: 4 add_to_outputs: true }"),
            '"net" has add_to_outputs, and is in a package, whose blocks are no outputs: it has no effect.',
        ),
        (
            (
                f'{DEEP}\n      keras_layer {{ class_name: "MLP" mlp {{ hidden_units: [8] }} }}',
                'inputs { block_name: "fea" input_slice: "[:2]" }\n      keras_layer { class_name: "PPNet" ppnet { '
                'mlp { hidden_units: [8] } mode: "lazy" gate_params { output_dim: 16 } } }',
            ),
            'output_dim has no effect with mode: "lazy", where each gate is as wide as the layer that it scales.',
        ),
    ],
)
def test_what_has_no_effect_is_noted(load, change, says):
    notes = load(change, text=BASE).notes
    assert len(notes) == (says is not None), notes
    assert says is None or says in notes[0]


def test_an_architecture_over_a_backbone_needs_no_group_all(load):
    zoo = ("  model_params {\n", "  dbmtl {\n")
    assert load(zoo, text=BASE).notes == []
    notes = load(zoo, ("mlp { hidden_units: [8] }", "mlp { hidden_units: [8] add_to_outputs: true }"), text=BASE).notes
    assert len(notes) == 1 and "model_params.outputs does not name it: it has no effect." in notes[0]
    renamed = ('group_name: "all"', 'group_name: "most"'), (FEA, FEA.replace('"all"', '"most"'))
    assert load(zoo, *renamed, text=BASE).notes == []


def test_choosing_towers_takes_the_values_of_the_others_out_of_the_list(tmp_path):
    text = replaced(BASE, ('concat_blocks: "join"', 'output_blocks: ["join", "deep", "fea"]'))
    text = replaced(text, ('relation_tower_names: "ctr"', ""))
    (tmp_path / "x.config").write_text(text)
    config = load_config(str(tmp_path / "x.config"), tasks=["ctr", "stay"])
    assert list(config.pipeline.model_config.backbone.output_blocks) == ["join", "fea"]
