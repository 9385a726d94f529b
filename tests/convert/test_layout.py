"""The text of a config."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places
from easymtl.convert import convert
from easymtl.convert.layout import config_text
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.convert.conftest import CONFIGS


def read(text):
    findings, pipeline = Findings(Places("out.config")), Pipeline()
    Parser(text, findings).parse(pipeline)
    return pipeline, [problem for problem in findings.problems if "not supported yet" not in problem.text]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.config")), ids=lambda path: path.stem)
def test_the_text_is_read_back_to_the_same_config(path):
    conversion = convert(path.read_text(), path.name)
    _, problems = read(conversion.text)
    assert problems == []
    assert text_format.Parse(conversion.text, Pipeline()) == conversion.pipeline
    assert all(len(line) <= 120 for line in conversion.text.split("\n"))
    assert conversion.text.startswith(
        f"# Converted from {path.name}, a config of TorchEasyRec, by easymtl convert.\n\n"
    )


def test_short_messages_and_lists_stand_on_one_line():
    pipeline = text_format.Parse(
        'model_dir: "m" data_config { label_fields: "a" label_fields: "b" '
        'input_fields { input_name: "a" input_type: INT32 } } eval_config { num_examples: 3 }',
        Pipeline(),
    )
    assert config_text(pipeline) == (
        'model_dir: "m"\n\n'
        "eval_config { num_examples: 3 }\n\n"
        "data_config {\n"
        '  label_fields: ["a", "b"]\n'
        '  input_fields { input_name: "a" input_type: INT32 }\n'
        "}\n"
    )


def test_letters_of_any_alphabet_stay_legible():
    assert config_text(Pipeline(model_dir="modèle/点击")) == 'model_dir: "modèle/点击"\n'


@given(st.lists(st.text(), max_size=40), st.floats(allow_nan=False, width=32), st.integers(0, 2**32 - 1))
def test_any_value_is_read_back(words, rate, steps):
    pipeline = Pipeline(model_dir="".join(words))
    pipeline.train_config.num_steps = steps
    pipeline.train_config.gradient_clipping_by_norm = rate
    pipeline.feature_config.features.add(vocab_list=words)
    pipeline.data_config.label_fields.extend(words)
    found, problems = read(config_text(pipeline))
    assert problems == []
    assert found == pipeline
