"""docs/security.md: each promise names tests that are there, and those that no other file has are here."""

import ast
import re
from pathlib import Path

import pytest

from easymtl.checkpoints.folder import CheckpointFolder, DamagedCheckpoint
from easymtl.config.config import parse_config
from easymtl.data.paths import expand
from easymtl.errors import UserError
from tests.fuzz.small_config import with_backbone, with_mmoe

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PROMISES = DOCUMENT[DOCUMENT.index("## What is promised") : DOCUMENT.index("## What is not promised")]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_GROUP = 'inputs { feature_group_name: "all" }'
_LAYER = 'keras_layer { class_name: "MLP" mlp { hidden_units: 8 } }'


def rows():
    table = [line for line in PROMISES.splitlines() if line.startswith("| ")]
    return [line for line in table if not line.startswith("| Promise")]


def test_there_are_promises_of_each_part():
    assert len(rows()) > 20
    assert re.findall(r"^\*\*(.*)\*\*$", PROMISES, re.MULTILINE) == [
        "A config is text, never a program.", "Data are bytes.", "What is kept.", "The server.", "Workers.", "Secrets."
    ]  # fmt: skip


@pytest.mark.parametrize("row", rows())
def test_a_promise_names_tests_that_are_there(row):
    found = _TEST.findall(row)
    assert found, row
    for path, name in found:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert name in names, f"{path} has no {name}"


@pytest.mark.parametrize(
    "blocks, says",
    [
        (
            f'blocks {{ name: "a" {_GROUP} repeat {{ num_repeat: 4000000000 {_LAYER} }} }}',
            "num_repeat is 4e+09, outside",
        ),
        (
            f'blocks {{ name: "a" {_GROUP} recurrent {{ num_steps: 4000000000 {_LAYER} }} }}',
            "num_steps is 4e+09, outside",
        ),
        (
            f'blocks {{ name: "a" {_GROUP} keras_layer {{ class_name: "MMoE" '
            "mmoe { num_task: 4000000000 num_expert: 2 expert_mlp { hidden_units: 4 } } } }",
            "num_task is 4e+09, outside",
        ),
        (
            f'packages {{ name: "p0" blocks {{ name: "n" {_GROUP} }} }} blocks {{ name: "x" '
            'inputs { package_name: "p40" } }'
            + "".join(
                f'packages {{ name: "p{number + 1}" blocks {{ name: "n" inputs {{ package_name: "p{number}" }} '
                f'inputs {{ package_name: "p{number}" }} }} }}'
                for number in range(40)
            ),
            "calls packages 2,199,023,255,551 times",
        ),
    ],
    ids=["copies", "steps", "experts", "packages"],
)
def test_a_few_lines_do_not_become_millions_of_layers(blocks, says):
    with pytest.raises(UserError, match=re.escape(says)):
        parse_config(with_backbone(blocks), "x.config")


def test_experts_of_an_architecture_have_an_end():
    with pytest.raises(UserError, match=r"mmoe\.num_expert is 1001, outside of \[0, 1000\]"):
        parse_config(with_mmoe().replace("num_expert: 2", "num_expert: 1001"), "x.config")


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/b", "a\\\\b", "<script>", ".", ""])
def test_names_of_a_config_lead_out_of_no_folder(name):
    with pytest.raises(UserError, match="tower_name"):
        parse_config(with_mmoe().replace('tower_name: "ctr"', f'tower_name: "{name}"'), "x.config")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "[]", "null", "{}", '{"format_version": []}', "\0", '"x"']
)
def test_no_state_of_a_checkpoint_is_more_than_damaged(tmp_path, text):
    folder = tmp_path / "checkpoints" / "step-000000003"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(text)
    with pytest.raises(UserError, match="step-000000003") as error:
        CheckpointFolder(tmp_path).latest().check()
    assert isinstance(error.value, DamagedCheckpoint) or "another version" in str(error.value)


@pytest.mark.parametrize("address", ["s3://me:hunter2@bucket/a.csv", "gs://hunter2@bucket/a.csv", "s3://:hunter2@b"])
def test_no_message_repeats_a_secret_of_an_address(address):
    with pytest.raises(UserError) as error:
        expand(address)
    assert "hunter2" not in str(error.value)
