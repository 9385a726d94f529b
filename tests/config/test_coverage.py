"""docs/easyrec_fields.md names every field of EasyRec, and how it stands is how a config with it fares."""

import re
from pathlib import Path

import pytest

from easymtl.config import coverage
from easymtl.config.coverage import entries, values
from easymtl.config.reference import STANDINGS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "easyrec_fields.md"
RENAMED = {"EasyRecConfig": "Pipeline", "EasyRecModel": "ModelConfig", "BayesTaskTower": "TaskTower"}


@pytest.fixture(scope="module")
def text() -> str:
    return coverage.coverage()


def test_the_document_is_current(text):
    command = "python -m easymtl.config.coverage --out docs/easyrec_fields.md"
    assert DOCUMENT.read_text(encoding="utf-8") == text, f"docs/easyrec_fields.md is stale: run {command}"


def test_the_fields_of_easyrec_are_those_of_the_list_and_the_rest_is_ours():
    listed = (ROOT / "tests" / "data" / "config_fields.tsv").read_text(encoding="utf-8").partition("# enums\n")[0]
    rows = [line.split("\t") for line in listed.splitlines()[2:]]
    theirs = {(RENAMED.get(owner, owner), name) for owner, name, *_ in rows}
    known = {(entry.owner, entry.name): entry.is_own for entry in entries()}
    assert {field for field, is_own in known.items() if is_own}.isdisjoint(theirs)
    assert {field for field, is_own in known.items() if not is_own} <= theirs


def test_every_field_and_value_of_easyrec_is_named(text):
    inside = {entry.owner for entry in entries() if not entry.is_own and not entry.sentence}
    for entry in [*entries(), *values()]:
        if entry.is_own:
            continue
        if entry.standing == "implemented":
            assert f"`{entry.name}`" in text
        elif entry.sentence:
            assert f"`{entry.owner}.{entry.name}`" in text
            assert entry.sentence in text
        else:
            assert entry.owner in inside
            assert f"`{entry.owner}`" in text


def test_the_counts_are_those_of_the_fields(text):
    theirs = [entry.standing for entry in entries() if not entry.is_own]
    assert f"| {' | '.join(str(theirs.count(standing)) for standing in STANDINGS)} |" in text


@pytest.mark.parametrize(
    ("owner", "name", "standing"),
    [
        ("TrainConfig", "num_steps", "implemented"),
        ("TrainConfig", "sync_replicas", "ignored"),
        ("Pipeline", "kafka_train_input", "refused"),
        ("KafkaServer", "topic", "refused"),
        ("DatasetConfig", "label_dim", "refused"),
    ],
)
def test_how_a_field_stands(owner, name, standing):
    assert [entry.standing for entry in entries() if (entry.owner, entry.name) == (owner, name)] == [standing]


def test_our_own_fields_are_told(text):
    ours = text.partition("## Our own")[2]
    for name in ("seed", "mixed_precision", "dense_embedding_update", "bn_debias", "weighted", "log_loss"):
        assert f"`{name}`" in ours
    assert "num_steps" not in ours


def test_check_tells_a_stale_document(tmp_path, capsys):
    path = tmp_path / "fields.md"
    assert coverage.main(["--out", str(path), "--check"]) == 1
    assert coverage.main(["--out", str(path)]) == 0
    assert coverage.main(["--out", str(path), "--check"]) == 0
    path.write_text("old")
    assert coverage.main(["--out", str(path), "--check"]) == 1
    assert f"Run: python -m easymtl.config.coverage --out {path}" in capsys.readouterr().err


HAND_WRITTEN = ROOT / "docs" / "easyrec.md"
OTHER_WORDS = {"serving_default", "input_layer", "model_dir", "user_define_fn"}


def test_words_of_the_hand_written_page_are_fields_that_exist():
    text = HAND_WRITTEN.read_text(encoding="utf-8")
    fields = {entry.name for entry in entries()}
    words = {word.partition(":")[0] for word in re.findall(r"`([a-z0-9_]+(?:: \w+)?)`", text)}
    assert len(words) > 30
    assert {word for word in words if "_" in word} - OTHER_WORDS <= fields


def test_what_the_page_calls_missing_is_refused_or_later_and_what_it_compares_is_there():
    implemented = {entry.name for entry in entries() if entry.standing == "implemented"}
    text = HAND_WRITTEN.read_text(encoding="utf-8")
    lost, _, compared = text.partition("## What you lose")[2].partition("## Different on purpose")
    for name in ("extra_label_func", "early_stop_func"):
        assert f"`{name}`" in lost
        assert name not in implemented, f"{name} is there by now: change docs/easyrec.md"
    for name in re.findall(r"^\| `([a-z0-9_]+)`", compared, re.MULTILINE):
        assert name in implemented, f"{name} has no effect: change docs/easyrec.md"


def test_links_of_the_pages_lead_somewhere():
    for page in (HAND_WRITTEN, DOCUMENT):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
