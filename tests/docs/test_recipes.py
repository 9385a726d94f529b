"""Every fragment of docs/recipes goes into the config that its page names, and trains."""

import re
from collections.abc import Iterable

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from easymtl.config import load_config
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.docs.pages import DOCS, ROOT, fragments, text_of

PAGES = sorted((DOCS / "recipes").glob("*.md"))
FRAGMENTS = [(page.stem, place, text) for page in PAGES for place, text in enumerate(fragments(text_of(page)))]
_BASE = re.compile(r"<!-- base: (\S+) -->")
# Lists whose items have names: one of the same name is replaced, others are added.
_NAMED = {"input_fields": "input_name", "features": "input_names", "feature_groups": "group_name"}


_MOST_ROWS = 10_000


def with_few_rows(pipeline: Pipeline) -> None:
    """Makes tables small: a million rows with the slots of Adam, page after page, would be gigabytes."""
    for feature in pipeline.feature_config.features:
        if feature.hash_bucket_size > _MOST_ROWS:
            feature.hash_bucket_size = _MOST_ROWS
        if feature.growing.max_rows > _MOST_ROWS:
            feature.growing.max_rows = _MOST_ROWS


def put(fragment: Message, base: Message) -> None:
    """Puts what a fragment says into a config: other lists than those of named items are replaced as a whole."""
    for field, value in fragment.ListFields():
        if field.is_repeated:
            _put_list(field.name, value, base)
        elif field.message_type is None:
            setattr(base, field.name, value)
        else:
            getattr(base, field.name).SetInParent()
            put(value, getattr(base, field.name))


def _put_list(name: str, items: Iterable, base: Message) -> None:
    kept = []
    if name in _NAMED:
        key = _NAMED[name]
        new = [getattr(item, key) for item in items]
        kept = [item for item in getattr(base, name) if getattr(item, key) not in new]
    every = [*kept, *items]
    base.ClearField(name)
    getattr(base, name).extend(every)


@pytest.fixture(scope="module")
def first_config() -> str:
    return fragments(text_of(DOCS / "quick-start.md"))[0]


@pytest.fixture
def whole(first_config, tmp_path):
    """Returns the path of the config that a fragment makes."""

    def write(stem: str, fragment: str) -> str:
        named = _BASE.search(text_of(DOCS / "recipes" / f"{stem}.md"))
        pipeline = text_format.Parse((ROOT / named[1]).read_text() if named else first_config, Pipeline())
        put(text_format.Parse(fragment, Pipeline()), pipeline)
        path = tmp_path / f"{stem}.config"
        path.write_text(text_format.MessageToString(pipeline), encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize(("stem", "place", "fragment"), FRAGMENTS, ids=lambda part: str(part)[:30])
def test_a_fragment_makes_a_config_that_is_right(whole, stem, place, fragment):
    load_config(whole(stem, fragment))


@pytest.mark.slow
@pytest.mark.parametrize(("stem", "place", "fragment"), FRAGMENTS, ids=lambda part: str(part)[:30])
def test_a_fragment_trains(whole, tmp_path, op_by_op, stem, place, fragment):
    from easymtl.training.trainer import Trainer

    made_up = ["data_config.input_type=DummyInput", "data_config.batch_size=64", "data_config.num_epochs=0"]
    small = ["train_config.num_steps=2", f"model_dir={tmp_path}/model", "train_config.mixed_precision=FLOAT32"]
    config = load_config(whole(stem, fragment), [*made_up, *small])
    for name in ("train_input_path", "eval_input_path"):
        config.pipeline.ClearField(name)
    with_few_rows(config.pipeline)
    assert Trainer(config, lambda event: None).run().step == 2


def test_every_recipe_is_in_the_list_and_has_a_fragment():
    listed = set(re.findall(r"\(([\w-]+)\.md\)", text_of(DOCS / "recipes/index.md")))
    assert listed == {page.stem for page in PAGES} - {"index"}
    assert {stem for stem, *_ in FRAGMENTS} == listed
    assert len(listed) >= 12


def test_lines_fit_and_a_fragment_is_short():
    for stem, place, fragment in FRAGMENTS:
        assert max(map(len, fragment.splitlines())) <= 122, (stem, place)
        assert len(fragment.splitlines()) <= 40, (stem, place)


def test_how_a_fragment_is_put_into_a_config():
    base = text_format.Parse(
        'data_config { batch_size: 5 label_fields: ["a"] input_fields { input_name: "x" } '
        'input_fields { input_name: "y" } }'
        'model_config { dbmtl { task_towers { tower_name: "t" } } }',
        Pipeline(),
    )
    fragment = text_format.Parse(
        'data_config { label_fields: ["b", "c"] input_fields { input_name: "x" input_type: INT32 } }'
        "model_config { mmoe { num_expert: 3 } }",
        Pipeline(),
    )
    put(fragment, base)
    assert (base.data_config.batch_size, list(base.data_config.label_fields)) == (5, ["b", "c"])
    assert [field.input_name for field in base.data_config.input_fields] == ["y", "x"]
    assert base.model_config.WhichOneof("model") == "mmoe"
