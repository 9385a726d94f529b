"""The messages that are made of the table of TorchEasyRec's fields."""

import csv
from importlib.resources import files

import pytest

from easymtl.config import ConfigError
from easymtl.convert import convert
from easymtl.convert.dialect import new_config
from easymtl.errors import UserError
from tests.convert.conftest import SMALL
from tests.errors.project import CONFIG, replaced


def test_every_field_of_the_table_is_one_of_the_messages():
    lines = files("easymtl.convert").joinpath("torcheasyrec_fields.tsv").read_text().split("\n")
    rows = list(csv.DictReader([line for line in lines if not line.startswith("#")], delimiter="\t"))
    pool = new_config().DESCRIPTOR.file.pool
    assert len(rows) > 1100
    for row in rows:
        field = pool.FindMessageTypeByName(f"torcheasyrec.{row['message']}").fields_by_name[row["field"]]
        assert (field.number, field.is_repeated) == (int(row["number"]), row["repeated"] == "repeated")
        assert (field.containing_oneof.name if field.containing_oneof else "") == row["oneof"]


def test_defaults_are_those_of_the_table():
    config = new_config()
    feature = config.feature_configs.add().id_feature
    assert (feature.separator, feature.pooling, feature.trainable) == ("\x1d", "sum", True)
    assert config.data_config.batch_size == 1024
    enum = config.data_config.DESCRIPTOR.fields_by_name["fg_mode"].enum_type
    assert {value.name: value.number for value in enum.values}["FG_BUCKETIZE"] == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "hash_bucket_size: 10",
            "hash_bucket_sise: 10",
            'x.config:11:77: feature_configs[0].id_feature has no field "hash',
        ),
        ("embedding_dim: 4", 'embedding_dim: "4"', "embedding_dim needs a whole number, 0 or more"),
        ("ParquetDataset", "ParqetDataset", 'Did you mean "ParquetDataset"?'),
        ("num_epochs: 1", "num_epochs: 1 num_epochs: 2", "num_epochs is set twice"),
        ("hash_bucket_size: 10", "hash_bucket_size: 10 }", '"}" closes nothing'),
    ],
)
def test_a_mistake_is_told_with_its_place(old, new, message):
    with pytest.raises(ConfigError) as error:
        convert(replaced(SMALL, (old, new)), "x.config")
    assert message in str(error.value)


def test_the_dialect_of_easyrec_needs_no_conversion():
    with pytest.raises(UserError, match=r"dialect of EasyRec.*easymtl check --pipeline_config x.config"):
        convert(CONFIG, "x.config")
    with pytest.raises(UserError, match="dialect of EasyRec"):
        convert(f"model_dirr: 'x'\n{CONFIG}", "x.config")


@pytest.mark.parametrize("text", ['{"a": 1}', 'model_dir: "m', 'model_dir: "m" data_config { batch_size: "3" }'])
def test_a_mistake_that_is_one_in_both_dialects_is_told_as_it_is(text):
    with pytest.raises(ConfigError, match=r"1 problem in x\.config"):
        convert(text, "x.config")
