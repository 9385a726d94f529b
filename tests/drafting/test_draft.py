"""From whole tables to configs: what is drafted is right, whatever the columns are."""

import datetime
import decimal
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from easymtl.config import load_config, view
from easymtl.config.problems import ConfigError
from easymtl.data.text_form import text_forms
from easymtl.drafting import draft_config
from easymtl.drafting.architectures import ARCHITECTURES
from easymtl.drafting.facts import Fact
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.task_pb2 import TaskTower
from easymtl.verbs.data_check import data_problems
from easymtl.verbs.value_check import default_problems, label_problems

RANDOM = np.random.default_rng(0)
ROWS = 300
CLICK = pa.array(RANDOM.integers(0, 2, ROWS))


def features_of(draft):
    return {view.feature_name(feature): feature for feature in draft.pipeline.feature_config.features}


def fields_of(draft):
    return {field.input_name: field for field in draft.pipeline.data_config.input_fields}


def checked(draft, tmp_path):
    """Asserts that `easymtl check` has nothing against a draft, not even a note."""
    path = tmp_path / "drafted.config"
    path.write_text(draft.text, encoding="utf-8")
    config = load_config(str(path))
    assert config.pipeline == draft.pipeline
    assert [note for note in config.notes if "eval_input_path" not in note] == []
    pipeline = config.pipeline
    for paths in filter(None, (view.train_input(pipeline), view.eval_input(pipeline))):
        fields = list(view.used_fields(pipeline))
        assert data_problems(paths, pipeline.data_config, fields, text_forms(pipeline)) == []
        assert label_problems(paths, pipeline, fields)[0] == []
    assert default_problems(pipeline) == []
    return pipeline


SCALARS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.binary(3), pa.large_binary(), pa.decimal128(9, 2), pa.decimal256(40, 3), pa.decimal128(12, 0)),
    *(pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("us", "UTC")),
    *(pa.time32("s"), pa.time64("ns"), pa.duration("ms"), pa.null(), pa.dictionary(pa.int8(), pa.string())),
]


def drawn(kind, count, random):
    """Returns values of an Arrow type, in half of the columns a tenth of them null."""
    if pa.types.is_null(kind):
        return pa.nulls(count)
    values = [value_of(kind, int(number)) for number in random.integers(0, 100, count)]
    if random.random() < 0.5:
        values = [None if gap else value for value, gap in zip(values, random.random(count) < 0.1)]
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def value_of(kind, number):
    if pa.types.is_decimal(kind):
        return decimal.Decimal(number)
    if kind == pa.float16():
        return np.float16(number / 8)
    if pa.types.is_floating(kind):
        return number / 7
    if pa.types.is_boolean(kind):
        return bool(number % 2)
    if pa.types.is_date(kind):
        return datetime.date(2026, 1, 1) + datetime.timedelta(days=number)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return f"{number:03}".encode()
    if pa.types.is_temporal(kind):
        # Whole microseconds, as nothing finer is read.
        return number * (1000 if kind in (pa.time64("ns"), pa.timestamp("ns", "Europe/Berlin")) else 1)
    is_text = pa.types.is_dictionary(kind) or "string" in str(kind)
    return f"word {number % 30}" if is_text else number


def listed(kind, large, random, rows=ROWS):
    """Returns lists of values of a type, or of parts of an array."""
    if isinstance(kind, pa.Array):
        offsets = np.sort(np.concatenate([[0, rows], random.integers(0, rows + 1, rows - 1)]))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), kind)
    lengths = random.integers(0, 5, rows)
    items = drawn(kind, int(lengths.sum()), random)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    make = pa.LargeListArray if large else pa.ListArray
    return make.from_arrays(pa.array(offsets, pa.int64() if large else pa.int32()), items)


def is_written(column):
    """Arrow cannot read its own lists of nothing back from Parquet."""
    kind, form = column
    return form in ("one", "empty") or not pa.types.is_null(kind)


NAMES = st.sampled_from(
    [
        *(
            "a",
            "user_id",
            "item",
            "ts",
            "age",
            "watched_items",
            "price",
            "shop_id",
            "day",
            "tags",
            "session_id",
            "page",
        ),
        *(
            "x y",
            "ü",
            "名前",
            "a.b",
            'the "best"',
            "it's",
            "a\\b",
            "a/b",
            "#1",
            "-",
            "_",
            "all",
            "features",
            "true",
            "click_id",
        ),
        *(
            "label_fields",
            "probs_click",
            "click_hour",
            "ts_hour",
            "sample_weight",
            "w_weight",
            "None",
            "a:b",
            "a,b",
            " x",
        ),
    ]
)
FORMS = ["one", "list", "large", "deep", "struct", "map", "empty"]
LABELS = ["click", "like", "order_given_click", "seconds", "all", "ctcvr", "scene", "the label", "ü.1", "of_click"]


def formed(kind, form, rows, random):
    """Returns a column of a form: a value in each row, lists, lists of lists, structs, maps, nothing but nulls."""
    if form == "one":
        return drawn(kind, rows, random)
    if form == "empty":
        return pa.nulls(rows, kind)
    if form == "struct":
        return pa.StructArray.from_arrays([drawn(kind, rows, random)], ["inner"])
    if form == "map":
        keys = pa.array(["k"] * rows)
        return pa.MapArray.from_arrays(np.arange(rows + 1, dtype=np.int32), keys, drawn(kind, rows, random))
    steps = listed(kind, form == "large", random, rows)
    return listed(steps, False, random, rows) if form == "deep" else steps


def drawn_label(form, clicked, random):
    """Returns a label: an event, one that needs the click, classes, numbers, in some rows missing, all the same."""
    rows = len(clicked)
    values = {
        "event": random.integers(0, 2, rows),
        "needs": (clicked > 0) & (random.random(rows) < 0.5),
        "signs": random.integers(0, 2, rows) * 2 - 1,
        "texts": [f"class {n}" for n in random.integers(0, 3, rows)],
        "value": random.normal(size=rows),
        "seconds": np.where(clicked, random.lognormal(4, 2, rows), 0),
        "few": np.where(clicked, random.integers(0, 3, rows), 0),
        "rate": random.random(rows),
        "same": np.ones(rows),
        "decimal": [decimal.Decimal(int(n)) / 4 for n in random.integers(0, 9, rows)],
    }[form]
    array = pa.array(values)
    return pc.if_else(pa.array(random.random(rows) < 0.2), None, array) if random.random() < 0.3 else array


# A failure is shown as it was found: making it smaller takes minutes.
@settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kinds=st.dictionaries(
        NAMES, st.tuples(st.sampled_from(SCALARS), st.sampled_from(FORMS)).filter(is_written), min_size=1
    ),
    others=st.dictionaries(
        st.sampled_from(LABELS[1:]),
        st.sampled_from(["event", "needs", "signs", "texts", "value", "seconds", "few", "rate", "same", "decimal"]),
        max_size=3,
    ),
    rows=st.sampled_from([1, 2, 30, ROWS, ROWS]),
    seed=st.integers(0, 10_000),
    model=st.sampled_from(sorted(ARCHITECTURES)),
    preset=st.sampled_from(["small", "strong"]),
    is_judged=st.booleans(),
)
def test_a_draft_of_any_table_is_right_or_refused(tmp_path, kinds, others, rows, seed, model, preset, is_judged):
    random = np.random.default_rng(seed)
    clicked = random.integers(0, 2, rows)
    columns = {name: formed(kind, form, rows, random) for name, (kind, form) in kinds.items()}
    columns |= {"click": pa.array(clicked)} | {
        name: drawn_label(form, clicked, random) for name, form in others.items()
    }
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    try:
        draft = draft_config(
            str(path),
            ["click", *others],
            evaluation=str(path) if is_judged else None,
            model=model,
            preset=preset,
            out=str(tmp_path / "out.config"),
            replaces=True,
        )
    except UserError as error:
        assert not isinstance(error, ConfigError), error
        reasons = ("no column is left", "does not fit", "nothing can be learnt", "a part would be empty")
        assert any(reason in str(error) for reason in reasons), error
        return
    checked(draft, tmp_path)


@pytest.mark.parametrize("kind", SCALARS, ids=str)
def test_each_type_by_itself(kind, tmp_path):
    table = pa.table({"click": CLICK, "other": RANDOM.random(ROWS), "x": drawn(kind, ROWS, np.random.default_rng(3))})
    pq.write_table(table, tmp_path / "x.parquet")
    draft = draft_config(str(tmp_path / "x.parquet"), ["click"], evaluation=str(tmp_path / "x.parquet"))
    checked(draft, tmp_path)
    has_x = any(name.startswith("x") for name in features_of(draft))
    assert has_x or f"x: {kind}" in draft.text or "x: " in draft.text


def test_a_table_in_memory_needs_no_file_and_none_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draft = draft_config(pa.table({"click": CLICK, "age": RANDOM.integers(18, 80, ROWS)}), ["click"])
    assert list(tmp_path.iterdir()) == [] and not draft.files
    assert not draft.pipeline.HasField("train_input_path")
    assert text_format.Parse(draft.text, type(draft.pipeline)()) == draft.pipeline


def mixed_table():
    """Returns what a shop may have: lists, timestamps, decimals, texts for labels, missing values."""
    random = np.random.default_rng(1)
    items = random.integers(0, 60, ROWS)
    history = [[f"i{n}" for n in random.integers(0, 60, random.integers(0, 9))] for _ in range(ROWS)]
    clicked = random.random(ROWS) < 0.4
    return pa.table(
        {
            "user_id": random.integers(0, 80, ROWS),
            "item_id": [f"i{n}" for n in items],
            "price": pa.array(
                [None if n % 10 == 0 else decimal.Decimal(int(n)) / 4 for n in items], pa.decimal128(8, 2)
            ),
            "when": pa.array(1_767_225_600 + np.arange(ROWS) * 3600, pa.timestamp("s", "UTC")),
            "is_new": pa.array([None, True, False] * (ROWS // 3)),
            "watched_items": history,
            "watched_seconds": pa.array(
                [[float(len(step)) for step in steps] for steps in history], pa.list_(pa.float32())
            ),
            "vector": pa.array(random.normal(size=(ROWS, 3)).tolist(), pa.list_(pa.float64(), 3)),
            "tags": [
                "|".join(random.choice(list("abcdef"), random.integers(0, 4), replace=False)) for _ in range(ROWS)
            ],
            "nested": [{"a": 1}] * ROWS,
            "click": np.where(clicked, "yes", "no"),
            "like": clicked & (random.random(ROWS) < 0.5),
            "seconds": np.where(clicked, random.lognormal(4, 1.5, ROWS), 0),
        }
    )


def test_what_becomes_of_a_shop(tmp_path):
    pq.write_table(mixed_table(), tmp_path / "shop.parquet")
    out = tmp_path / "out" / "x.config"
    out.parent.mkdir()
    draft = draft_config(str(tmp_path / "shop.parquet"), ["click", "like", "seconds"], out=str(out))
    pipeline = checked(draft, tmp_path)
    features, fields = features_of(draft), fields_of(draft)
    assert features["price"].boundaries[0] == float(fields["price"].default_val) + 0.5
    assert fields["when"].input_type == DatasetConfig.INT64
    assert {"when_hour", "when_weekday"} <= set(features)
    assert fields["is_new"].input_type == DatasetConfig.STRING
    assert features["vector"].raw_input_dim == 3
    assert features["tags"].feature_type == FeatureConfig.TagFeature
    assert features["watched_items"].embedding_name == features["item_id"].embedding_name == "item_id"
    (block,) = pipeline.model_config.feature_groups[0].sequence_features
    assert list(block.seq_att_map[0].hist_seq) == ["watched_items", "watched_seconds"]
    assert "nested" not in features and "nothing reads such values" in draft.text
    towers = pipeline.model_config.mmoe.task_towers
    assert [metric.WhichOneof("metric") for metric in towers[0].metrics_set] == ["auc", "gauc"]
    assert towers[2].HasField("label_transform")
    assert 'never without "click"' in draft.text
    assert draft.files == (str(out.with_suffix(".train.parquet")), str(out.with_suffix(".eval.parquet")))
    late = pq.read_table(draft.files[1])["when"].to_pylist()
    assert min(late) > max(pq.read_table(draft.files[0])["when"].to_pylist())


def test_csv_says_the_same_as_parquet(tmp_path):
    table = mixed_table().select(["item_id", "tags", "seconds"])
    table = table.append_column("age", pa.array(RANDOM.integers(18, 80, ROWS))).append_column("click", CLICK)
    pq.write_table(table, tmp_path / "x.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "x.csv")
    one, other = (
        draft_config(str(tmp_path / f"x.{ending}"), ["click"], evaluation=str(tmp_path / f"x.{ending}"))
        for ending in ("parquet", "csv")
    )
    checked(other, tmp_path)
    assert list(features_of(one)) == list(features_of(other))
    for name, feature in features_of(one).items():
        assert features_of(other)[name].feature_type == feature.feature_type
    assert features_of(one)["age"] == features_of(other)["age"]


def test_csv_without_a_header_declares_all_its_columns(tmp_path):
    (tmp_path / "x.csv").write_text("".join(f"{n % 2},{n % 7},r{n}\n" for n in range(500)))
    paths = str(tmp_path / "x.csv")
    draft = draft_config(paths, ["click"], columns=["click", "age", "row"], evaluation=paths)
    assert list(fields_of(draft)) == ["click", "age", "row"]
    checked(draft, tmp_path)


def test_ids_that_no_later_row_has_are_left_out():
    size = 4000
    random = np.random.default_rng(0)

    def rows(first):
        return pa.table(
            {
                "click": random.integers(0, 2, size),
                "user_id": random.integers(first, first + 1000, size),
                "shop_id": random.integers(0, 1000, size),
            }
        )

    draft = draft_config(rows(0), ["click"], evaluation=rows(900))
    assert "shop_id" in features_of(draft) and "user_id" not in features_of(draft)
    assert "of the evaluation rows have a value" in draft.text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"labels": []}, "--labels is missing"),
        ({"labels": ["click", "click"]}, "named twice"),
        ({"labels": ["clck"]}, 'Did you mean "click"'),
        ({"model": "mmo"}, 'Did you mean "mmoe"'),
        ({"preset": "larger"}, "neither small nor strong"),
        ({"user": "usr"}, "--user: there is no column"),
        ({"ignore": ["aeg"]}, 'Did you mean "age"'),
        ({"ignore": ["age"]}, "no column is left"),
    ],
)
def test_mistakes_are_answered(options, problem):
    table = pa.table({"click": CLICK, "age": RANDOM.integers(18, 80, ROWS)})
    with pytest.raises(UserError, match=problem):
        draft_config(table, **{"labels": ["click"], **options})


def test_that_all_tasks_count_alike_is_said_where_there_are_several():
    table = mixed_table()
    one, several = (draft_config(table, labels) for labels in (["click"], ["click", "like", "seconds"]))
    says = "No tower has a weight: labels are of a like spread"
    assert says in " ".join(several.text.replace("#", " ").split()) and says not in one.text
    towers = view.task_towers(several.pipeline)
    assert all(not tower.HasField("weight") and tower.weight == 1 for tower in towers)


def test_a_draft_is_a_function_of_its_data():
    table = mixed_table()
    assert draft_config(table, ["click"]).text == draft_config(table, ["click"]).text


def test_all_notes_are_in_the_text():
    draft = draft_config(mixed_table(), ["click", "like", "seconds"])
    text = " ".join(draft.text.replace("\n#", " ").split())
    assert draft.notes and all(" ".join(note.split()) in text for note in draft.notes)


def test_a_training_of_one_step_has_no_warm_up_and_a_short_one_is_not_stopped_early():
    tiny = draft_config(pa.table({"click": [0, 1], "age": [20, 30]}), ["click"], divides=False).pipeline
    rate = tiny.train_config.optimizer_config[0].adam_optimizer.learning_rate.cosine_decay_learning_rate
    assert (rate.total_steps, rate.warmup_steps) == (1, 0)
    users = RANDOM.integers(0, 1500, 4000)
    draft = draft_config(pa.table({"click": users % 2, "user_id": users, "age": users % 60}), ["click"])
    one_pass = draft.pipeline
    assert "# the learning rate falls to 0 at the last step" in draft.text
    assert one_pass.data_config.num_epochs == 1 and not one_pass.export_config.enable_early_stop
    assert one_pass.export_config.exporter_type == "final", "the rate falls to 0 at the last step"
    passes = draft_config(pa.table({"click": users % 2, "age": users % 60 // 7}), ["click"]).pipeline
    assert passes.data_config.num_epochs == 8 and passes.export_config.enable_early_stop
    assert passes.export_config.exporter_type == "best", "it may end behind its best checkpoint"


def test_a_draft_of_several_passes_exports_its_last_checkpoint_unless_another_is_clearly_better(tmp_path):
    rows = pa.table({"click": RANDOM.integers(0, 2, 4000), "age": RANDOM.integers(18, 80, 4000)})
    # The standard error of the AUC of n rows of which one half are events: sqrt(1 / (3 n)).
    kept = draft_config(rows, ["click"])
    num_kept = kept.tables[1].num_rows
    assert kept.pipeline.export_config.best_margin == pytest.approx((3 * num_kept) ** -0.5, rel=0.05)
    assert f"a standard error of that on {num_kept:,} rows" in kept.text
    pq.write_table(rows.slice(0, 1200), tmp_path / "judged.parquet")
    judged = draft_config(rows, ["click"], evaluation=str(tmp_path / "judged.parquet"))
    assert judged.pipeline.export_config.best_margin == pytest.approx(3600**-0.5, rel=0.05)
    assert "a standard error of that on 1,200 rows" in judged.text


def test_lists_that_pandas_has_printed_are_told():
    tags = [f"['t{row % 3}', 't{row % 7}']" for row in range(ROWS)]
    table = pa.table({"click": CLICK, "tags": tags, "city": [f"c{row % 5}" for row in range(ROWS)]})
    (note,) = [note for note in draft_config(table, ["click"]).notes if "printed" in note]
    assert note.startswith('the texts of "tags" look like printed lists')


def test_a_spreadsheet_with_an_index_and_decimal_commas_is_told_of_them(tmp_path):
    rows = [f"{row};{row % 7},{row % 10};{RANDOM.integers(18, 80)};{row % 2}" for row in range(ROWS)]
    path = tmp_path / "shop.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([";price;age;click", *rows, ""]).encode())
    draft = draft_config(str(path), ["click"], evaluation=str(path))
    (note,) = [note for note in draft.notes if "comma" in note]
    assert note.startswith('the texts of "price" look like numbers with a comma') and not isinstance(note, Fact)
    assert "a column without a name: nothing can read it" in draft.text
    assert set(fields_of(draft)) == {"price", "age", "click"}
    checked(draft, tmp_path)


def test_a_draft_that_fails_writes_nothing(tmp_path):
    (tmp_path / "data").mkdir()
    paths = str(tmp_path / "data" / "x.parquet")
    pq.write_table(pa.table({"click": CLICK, "same": ["x"] * ROWS}), paths)
    with pytest.raises(UserError, match="no column is left"):
        draft_config(paths, ["click"], out=str(tmp_path / "x.config"))
    pq.write_table(pa.table({"click": CLICK, "age": RANDOM.integers(18, 80, ROWS)}), paths)
    with pytest.raises(UserError, match="esmm does not fit"):
        draft_config(paths, ["click"], model="esmm", out=str(tmp_path / "x.config"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_columns_that_evaluation_rows_lack_are_left_out_and_labels_are_asked_for():
    table = pa.table({"click": CLICK, "age": RANDOM.integers(18, 80, ROWS), "city": RANDOM.choice(["a", "b"], ROWS)})
    draft = draft_config(table, ["click"], evaluation=table.drop_columns(["city"]))
    assert "city" not in features_of(draft) and "not in the evaluation data" in draft.text
    with pytest.raises(UserError, match='no column "click" in it'):
        draft_config(table, ["click"], evaluation=table.drop_columns(["click"]))


@pytest.mark.parametrize("other", ["semicolons.csv", "headless.csv", "x.parquet"])
def test_evaluation_rows_are_written_as_training_rows_are(tmp_path, other):
    table = pa.table({"click": CLICK, "age": RANDOM.integers(18, 80, ROWS)})
    pq.write_table(table, tmp_path / "x.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_text()
    (tmp_path / "semicolons.csv").write_text(text.replace(",", ";"))
    (tmp_path / "headless.csv").write_text(text.partition("\n")[2])
    paths = [str(tmp_path / name) for name in ("x.csv", other)]
    given = {"columns": ["click", "age"]} if "headless" in other else {}
    for one, judged in (paths, paths[::-1]):
        with pytest.raises(UserError, match=r"--eval: .* is read as .*, and the training data are .* Write them alike"):
            draft_config(one, ["click"], evaluation=judged, **given)
    assert draft_config(paths[0], ["click"], evaluation=paths[0]).pipeline.eval_input_path == paths[0]
    assert draft_config(table, ["click"], evaluation=str(tmp_path / "x.parquet")).text


@pytest.mark.parametrize("model", sorted(set(ARCHITECTURES) - {"esmm", "escm2"}))
def test_each_architecture_takes_a_funnel(model, tmp_path):
    pq.write_table(mixed_table(), tmp_path / "x.parquet")
    paths = str(tmp_path / "x.parquet")
    draft = draft_config(paths, ["click", "like", "seconds"], model=model, evaluation=paths, preset="strong")
    checked(draft, tmp_path)
    towers = view.task_towers(draft.pipeline)
    related = {tower.tower_name: list(tower.relation_tower_names) for tower in towers}
    has_relations = model in ("dbmtl", "aitm")
    expected = ["click"] if has_relations else []
    assert related == {"click": [], "like": expected, "seconds": expected}
    # Seconds with a long tail are learnt in logs, which a product of chance and value cannot be.
    parents = {tower.tower_name: tower.parent for tower in towers}
    assert parents == {"click": "", "like": "" if has_relations else "click", "seconds": ""}
    assert _spaces(draft) == {"click": ("", 1), "like": ("", 1), "seconds": ("click", 0)}
    assert_names_own_fields(draft)


@pytest.mark.parametrize(
    ("model", "labels", "rows", "every"),
    [
        ("mmoe", ["click", "like"], 8_000, 50),  # 8 passes of 62.5 steps
        ("mmoe", ["click", "like"], 7_900, 0),
        ("mmoe", ["click"], 8_000, 0),
        ("simple_multi_task", ["click", "like"], 8_000, 0),
        ("dbmtl", ["click", "like"], 150_000, 50),  # 6 passes of 293 steps
    ],
)
def test_gradients_are_compared_where_tasks_share_layers_and_it_costs_little(model, labels, rows, every):
    column = np.arange(rows)
    table = pa.table({"age": column % 49, "click": column % 2, "like": column // 2 % 2})
    draft = draft_config(table, labels, model=model, divides=False)
    assert draft.pipeline.train_config.log_gradient_conflict_every == every
    assert ("  # how far the tasks are at odds" in draft.text) == bool(every)


SPACE = ("task_space_indicator_label", "out_task_space_weight")


def _spaces(draft):
    towers = view.task_towers(draft.pipeline)
    return {tower.tower_name: (tower.task_space_indicator_label, tower.out_task_space_weight) for tower in towers}


def assert_names_own_fields(draft):
    """Asserts that the note of what needs what names the fields that towers have, and no other."""
    (note,) = [note for note in draft.notes if note.startswith("never without")]
    towers = view.task_towers(draft.pipeline)
    names = TaskTower.DESCRIPTOR.fields_by_name
    said = {word for word in re.findall(r"[a-z_]+", note.split("remove", 1)[-1]) if word in names}
    used = {field.name for tower in towers for field, _ in tower.ListFields()}
    assert said == used & {"parent", "relation_tower_names", "relation_dnn", *SPACE}


@pytest.mark.parametrize("without", [0.0, None])
@pytest.mark.parametrize(
    "given",
    [
        pytest.param(RANDOM.random, id="rate"),
        pytest.param(lambda size: np.exp(RANDOM.normal(3, 1.5, size)), id="long tail"),
        pytest.param(lambda size: RANDOM.uniform(100, 900, size), id="divided"),
    ],
)
def test_what_cannot_have_a_parent_is_learnt_where_its_event_happened(given, without, tmp_path):
    click = CLICK.to_numpy()
    values = [value if happened else without for value, happened in zip(given(ROWS).tolist(), click)]
    table = pa.table({"click": click, "later": values, "age": RANDOM.integers(18, 80, ROWS)})
    pq.write_table(table, tmp_path / "x.parquet")
    draft = draft_config(str(tmp_path / "x.parquet"), ["click", "later"], out=str(tmp_path / "x.config"))
    checked(draft, tmp_path)
    assert [tower.parent for tower in view.task_towers(draft.pipeline)] == ["", ""]
    assert _spaces(draft) == {"click": ("", 1), "later": ("click", 0)}
    assert_names_own_fields(draft)


@pytest.mark.parametrize("model", ["esmm", "escm2"])
def test_models_of_a_funnel_take_an_event_and_what_needs_it(model, tmp_path):
    pq.write_table(mixed_table(), tmp_path / "x.parquet")
    paths = str(tmp_path / "x.parquet")
    draft = draft_config(paths, ["like", "click"], model=model, evaluation=paths)
    checked(draft, tmp_path)
    assert [tower.label_name for tower in view.task_towers(draft.pipeline)] == ["click", "like"]
    assert_names_own_fields(draft)
    for labels, why in [
        (["click", "like", "seconds"], "it learns two labels"),
        (["click", "is_new"], "do not need each other"),
        (["click", "seconds"], "needs a label_transform"),
    ]:
        with pytest.raises(UserError, match=rf"{model} does not fit: .*{why}.* Those that do: mmoe, "):
            draft_config(paths, labels, model=model, evaluation=paths)


def test_stem_needs_tables_that_nothing_else_shares(tmp_path):
    table = mixed_table().select(["item_id", "watched_items", "click"])
    assert "embedding_name" in draft_config(table, ["click"]).text
    with pytest.raises(UserError, match="stem does not fit: it gives each task tables of its own"):
        draft_config(table, ["click"], model="stem")


def test_home_puts_labels_that_need_the_same_event_into_one_group():
    other = pa.array(RANDOM.integers(0, 2, ROWS))
    table = mixed_table().append_column("visit", other)
    groups = draft_config(table, ["click", "like", "visit"], model="home").pipeline.model_config.home.task_groups
    assert [list(group.tower_names) for group in groups] == [["click", "like"], ["visit"]]


def test_gates_of_pepnet_read_the_page_and_who_meets_what():
    table = mixed_table().append_column("page", pa.array(RANDOM.choice(["home", "search"], ROWS)))
    model = draft_config(table, ["click"], model="pepnet").pipeline.model_config
    groups = {group.group_name: list(group.feature_names) for group in model.feature_groups}
    assert groups["scene"] == ["page"] and groups["people"] == ["user_id", "item_id"]
    assert (model.pepnet.domain_group, model.pepnet.personal_group) == ("scene", "people")


def test_towers_of_labels_with_odd_names_have_names_that_outputs_can_have():
    labels = ["a b", "a.b", "ü", "all", "x_given_y"]
    table = pa.table({label: RANDOM.integers(0, 2, ROWS) for label in labels} | {"age": RANDOM.integers(18, 80, ROWS)})
    towers = draft_config(table, labels).pipeline.model_config.mmoe.task_towers
    assert [tower.label_name for tower in towers] == labels
    assert [tower.tower_name for tower in towers] == ["a_b", "a_b_2", "task", "task_all_", "task_x_if_y_"]
