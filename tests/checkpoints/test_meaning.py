import pytest
from google.protobuf import text_format

from easymtl.checkpoints.meaning import difference_of_weights, meaning_of, require_same_meaning
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.training.trainer import Trainer
from tests.training.small_runs import CONFIG, load_config, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("meaning")
    write_data(path)
    (path / "x.config").write_text(CONFIG.format(folder=path))
    Trainer(load_config(str(path / "x.config")), lambda event: None).run()
    return path


@pytest.mark.parametrize(
    "override, message",
    [
        ('model_config.feature_groups[0].feature_names=["tags", "item", "price"]', "feature number 1 is another one"),
        ("feature_config.features[2].normalizer_fn=log1p", 'feature "price" has normalizer_fn log1p'),
        ("feature_config.features[1].combiner=mean", 'feature "tags" has combiner mean in the config and None'),
    ],
)
def test_weights_are_not_read_with_another_meaning(folder, override, message):
    config = load_config(str(folder / "x.config"), [override])
    with pytest.raises(UserError, match=message):
        load_ranker(config.pipeline, find_checkpoint(config.pipeline))
    with pytest.raises(UserError, match=message):
        Trainer(config, lambda event: None)


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("log1p", "tf.math.log1p", True),
        ("lambda x: tf.sqrt(x) / 10", "lambda x:tf.sqrt(x)/10", True),
        ("lambda x: tf.sqrt(x) / 10", "lambda x: tf.sqrt(x) / 11", False),
        ("log1p", "sqrt", False),
    ],
)
def test_one_function_may_be_written_in_two_ways(folder, before, after, is_same):
    first, second = (
        load_config(str(folder / "x.config"), [f"feature_config.features[2].normalizer_fn={text}"]).pipeline
        for text in (before, after)
    )
    found = difference_of_weights(second, {"meaning": meaning_of(first)})
    assert found == (
        "" if is_same else f'feature "price" has normalizer_fn {after} in the config and {before} in the training'
    )
    checkpoint = find_checkpoint(second)
    if is_same:
        require_same_meaning(second, checkpoint, {"meaning": meaning_of(first)})
    else:
        with pytest.raises(UserError, match="has normalizer_fn"):
            require_same_meaning(second, checkpoint, {"meaning": meaning_of(first)})


def meanings(folder, before, after):
    first, second = (load_config(str(folder / "x.config"), overrides).pipeline for overrides in (before, after))
    return second, {"meaning": meaning_of(first)}


def require_refused_but_to_start_from(pipeline, state, message):
    # A training that starts from such weights learns what is new.
    assert difference_of_weights(pipeline, state) == ""
    with pytest.raises(UserError, match=message):
        require_same_meaning(pipeline, find_checkpoint(pipeline), state)


def require_allowed(pipeline, state):
    assert difference_of_weights(pipeline, state) == ""
    require_same_meaning(pipeline, find_checkpoint(pipeline), state)


def test_a_default_that_is_said_is_the_one_that_is_not(folder):
    says = ["feature_config.features[1].combiner=sum"]
    require_allowed(*meanings(folder, says, []))
    require_allowed(*meanings(folder, [], says))


def test_what_stands_for_a_missing_value_is_part_of_the_meaning(folder):
    price = "data_config.input_fields[input_name=price].default_val"
    says = "the field \"price\" has the default_val '2' in the config and '1' in the training"
    require_refused_but_to_start_from(*meanings(folder, [f"{price}=1"], [f"{price}=2"]), says)
    # A default may come later, or go: rows that are whole mean what they did.
    require_allowed(*meanings(folder, [], [f"{price}=2"]))
    require_allowed(*meanings(folder, [f"{price}=1"], []))
    label = "data_config.input_fields[input_name=click].default_val"
    require_allowed(*meanings(folder, [], [f"{label}=0"]))
    pipeline, state = meanings(folder, [f"{price}=1"], [f"{price}=2"])
    # Checkpoints from before this was looked at.
    del state["meaning"]["defaults"]
    require_allowed(pipeline, state)


def shared(folder, default="1", **price):
    """Returns a config in which a group reads `age` by the `shared_names` of a feature that no group reads."""
    pipeline = load_config(str(folder / "x.config")).pipeline
    declared = pipeline.feature_config.features.add(feature_name="unread", input_names=["price"], shared_names=["age"])
    declared.MergeFrom(FeatureConfig(feature_type="RawFeature", **price))
    pipeline.data_config.input_fields.add(input_name="age", input_type="FLOAT", default_val=default)
    pipeline.model_config.feature_groups[0].feature_names.append("age")
    return pipeline


def test_features_by_shared_names_mean_what_they_did(folder):
    before = {"meaning": meaning_of(shared(folder))}
    require_allowed(shared(folder), before)
    says = "the field \"age\" has the default_val '2' in the config and '1' in the training"
    require_refused_but_to_start_from(shared(folder, default="2"), before, says)
    changed = shared(folder, normalizer_fn="log1p")
    assert 'feature "age" has normalizer_fn log1p in the config' in difference_of_weights(changed, before)
    with pytest.raises(UserError, match='feature "age" has normalizer_fn log1p'):
        require_same_meaning(changed, find_checkpoint(changed), before)
    # Checkpoints from before these were looked at.
    del before["meaning"]["features"]["age"], before["meaning"]["defaults"]["age"]
    require_allowed(changed, before)


def words(**numbers):
    entries = "".join(
        f'label_values {{ label_name: "click" number: {number} texts: "{text}" }} ' for text, number in numbers.items()
    )
    return text_format.Parse(entries, DatasetConfig()).label_values


def test_words_of_a_label_keep_their_numbers_and_others_may_come(folder):
    pipeline, state = meanings(folder, [], [])
    pipeline.data_config.label_values.extend(words(yes=1, no=0))
    swapped, other = (type(pipeline).FromString(pipeline.SerializeToString()) for _ in range(2))
    state = {"meaning": meaning_of(pipeline)}
    require_allowed(pipeline, state)
    del swapped.data_config.label_values[:], other.data_config.label_values[:]
    swapped.data_config.label_values.extend(words(yes=0, no=1))
    require_refused_but_to_start_from(
        swapped, state, 'the text "no" of the label "click" stands for 1 in the config and for 0 in the'
    )
    other.data_config.label_values.extend(words(ja=1, nein=0))
    require_allowed(other, state)


@pytest.mark.slow
def test_blocks_are_not_joined_in_another_order(tmp_path):
    write_data(tmp_path)
    graph = """backbone {
        blocks { name: "a" inputs { feature_group_name: "all" }
                 keras_layer { class_name: "MLP" mlp { hidden_units: 3 } } }
        blocks { name: "b" inputs { feature_group_name: "all" }
                 keras_layer { class_name: "MLP" mlp { hidden_units: 3 } } }
        concat_blocks: ["a", "b"] }"""
    text = CONFIG.format(folder=tmp_path)
    (tmp_path / "x.config").write_text(text.replace("model_config {", f"model_config {{ {graph}", 1))
    path = str(tmp_path / "x.config")
    Trainer(load_config(path, ["train_config.num_steps=1"]), lambda event: None).run()
    load_ranker(load_config(path).pipeline, find_checkpoint(load_config(path).pipeline))
    config = load_config(path, ['model_config.backbone.concat_blocks=["b", "a"]'])
    says = 'the block "backbone results" is b, a in the config and a, b in the training'
    with pytest.raises(UserError, match=says):
        load_ranker(config.pipeline, find_checkpoint(config.pipeline))


def test_layers_are_not_read_by_another_tower_at_their_place(folder):
    tower = 'tower_name: "%s" label_name: "%s" dnn { hidden_units: 4 }'
    overrides = [
        f"model_config.mmoe.task_towers[{place}]={{{tower % names}}}"
        for place, names in enumerate([("cvr", "buy"), ("ctr", "click")])
    ]
    config = load_config(str(folder / "x.config"), overrides)
    with pytest.raises(UserError, match='towers are "cvr", "ctr" in the config and "ctr", "cvr" in the training'):
        load_ranker(config.pipeline, find_checkpoint(config.pipeline))


def test_what_does_not_change_the_meaning_may_change(folder):
    overrides = ["train_config.num_steps=9", "feature_config.features[0].initializer={constant_initializer{consts: 1}}"]
    config = load_config(str(folder / "x.config"), overrides)
    load_ranker(config.pipeline, find_checkpoint(config.pipeline))


def test_the_values_of_a_vocabulary_keep_their_rows(folder, tmp_path):
    """Another order of as many values fits in shape, and gives each the row of another."""
    words = tmp_path / "words.txt"
    feature = f'{{ input_names: "item" embedding_dim: 4 vocab_file: "{words}" }}'
    overrides = [f"feature_config.features[0]={feature}", f"model_dir={tmp_path}/model", "train_config.num_steps=1"]
    words.write_text("i0\ni1\ni2\n")
    config = load_config(str(folder / "x.config"), overrides)
    Trainer(config, lambda event: None).run()
    words.write_text("i0\r\ni1\r\ni2\r\n\r\n")
    load_ranker(config.pipeline, find_checkpoint(config.pipeline))
    words.write_text("i1\ni0\ni2\n")
    with pytest.raises(UserError, match='the vocab_file of feature "item" has not the values'):
        load_ranker(config.pipeline, find_checkpoint(config.pipeline))
