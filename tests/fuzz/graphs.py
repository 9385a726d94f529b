"""Block graphs: what stands in `backbone { }` of a config that is right but for it, planned as `easymtl check` does."""

from collections.abc import Iterator
from pathlib import Path

from easymtl.config.config import parse_config
from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import Build
from easymtl.models.backbone import graph_notes, located
from easymtl.models.input_layer import InputLayer
from easymtl.models.making import plan_model
from tests.fuzz.judging import Try
from tests.fuzz.small_config import with_backbone


def try_graph(folder: Path) -> Try:
    """The text of a backbone."""

    def attempt(data: bytes) -> None:
        config = parse_config(with_backbone(data.decode("utf-8", "replace")), "x.config")
        groups = InputLayer(Build(), FeatureSet(config.pipeline))
        with located(config):
            plan_model(config.pipeline, groups.shapes)
        graph_notes(config)

    return attempt


def seeds_of_graph() -> Iterator[bytes]:
    """Yields graphs with each kind of block."""
    group = 'inputs { feature_group_name: "all" }'
    mlp = 'keras_layer { class_name: "MLP" mlp { hidden_units: 8 } }'
    yield f'blocks {{ name: "a" {group} {mlp} }}'.encode()
    yield (
        f'blocks {{ name: "a" {group} repeat {{ num_repeat: 2 {mlp} }} }} '
        'blocks { name: "b" inputs { block_name: "a" input_fn: "lambda x: [x[1], x[0]]" } '
        'lambda { expression: "lambda x: tf.concat(x, axis=1) * 2" } }'
    ).encode()
    yield (
        'packages { name: "p" blocks { name: "i" inputs { use_package_input: true } '
        f'{mlp} }} }} blocks {{ name: "a" {group} }} blocks {{ name: "c" inputs {{ package_name: "p" '
        'package_input: "a" package_input_fn: "lambda x: x" } inputs { block_name: "a" input_slice: "[:, 0:2]" } }'
    ).encode()
    yield (
        f'blocks {{ name: "r" {group} recurrent {{ num_steps: 2 {mlp} }} }} blocks {{ name: "l" '
        f'inputs {{ block_name: "r" }} layers {{ {mlp} }} layers {{ lambda {{ expression: "lambda x: x + 1" }} }} }} '
        'concat_blocks: "l" top_mlp { hidden_units: 4 }'
    ).encode()
    yield (
        b'blocks { name: "s" inputs { feature_group_name: "seq" } '
        b"input_layer { output_seq_and_normal_feature: true } } "
        b'blocks { name: "d" inputs { block_name: "s" } keras_layer { class_name: "DIN" din { attention_dnn '
        b'{ hidden_units: [4, 1] } } } } blocks { name: "e" inputs { block_name: "d" } '
        b'inputs { feature_group_name: "all" } merge_inputs_into_list: true } output_blocks: "e"'
    )
