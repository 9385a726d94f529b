"""What an export in fewer bytes measures and refuses, and that its proof still finds what is wrong with it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import load_ranker
from easymtl.errors import UserError
from easymtl.features import served_tables
from easymtl.features.feature_set import FeatureSet
from easymtl.features.together import Inputs
from easymtl.protos import export_pb2
from easymtl.reporting.narrowing import narrowing_lines
from easymtl.scoring.evaluation import evaluate
from easymtl.serving import export as exporting
from easymtl.serving import narrowing, parity, saved_model
from easymtl.serving.export import export
from easymtl.serving.narrowing import Narrowing, measure_narrowing, narrow_scorer
from easymtl.serving.partitions import read_meta_graph
from easymtl.serving.precision import Precision
from easymtl.serving.saved_model_scorer import SavedModelScorer
from easymtl.tasks.build import build_tasks
from tests.serving.scoring_here import score_here

pytestmark = pytest.mark.usefixtures("op_by_op")

# 300 rows that were made up: an AUC of them moves by a thousandth when two of them change places.
WIDE = "export_config.max_auc_change=0.1"
INT8 = "export_config.row_precision=INT8"
BFLOAT16 = "export_config.precision=BFLOAT16"


@pytest.fixture(scope="module")
def narrow(trained, tmp_path_factory):
    """An export of bfloat16 products and int8 rows, its parts of one width on the CPU, with a formula."""
    options = [WIDE, INT8, BFLOAT16, "export_config.user_fields=[user]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        return export(trained.pipeline(*options), trained.checkpoint, tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="module")
def ranker(trained):
    return load_ranker(trained.pipeline(), trained.checkpoint)


def test_it_tells_bytes_precision_and_tolerance(narrow):
    said = json.loads((narrow.path / "assets.extra" / "easymtl.json").read_text())
    assert (said["precision"], said["row_precision"]) == ("BFLOAT16", "INT8")
    assert said["tolerance"] == narrow.parity.tolerance
    assert 1e-5 < said["tolerance"] < 0.05 and narrow.parity.largest_difference < 0.06
    rows = {4: 50 + 4 + 6 + 4 + 30, 8: 20}
    assert said["bytes"]["tables_in_float32"] == sum(4 * width * (1 + count) for width, count in rows.items())
    assert said["bytes"]["tables"] == sum((width + 4) * (1 + count) for width, count in rows.items())
    assert said["bytes"]["network"] < 0.7 * said["bytes"]["network_in_float32"]
    assert said["narrowing"]["rows"] == 300 and said["narrowing"]["data"] == "evaluation"
    card = (narrow.path / "assets.extra" / "model_card.md").read_text()
    assert "## What fewer bytes change" in card and "| auc_click | " in card and "| probs_click | " in card
    lines = narrowing_lines(narrow)
    assert lines["precision"] == "products BFLOAT16, rows INT8"
    assert "auc_click" in lines["metrics"] and "on 300 rows of the evaluation data" in lines["metrics"]
    assert "probs_kind" in lines["scores change"]


def test_variables_have_the_bytes_that_it_tells(narrow):
    prefix = str(narrow.path / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    kinds = {name: reader.get_variable_to_dtype_map()[name] for name, _ in tf.train.list_variables(prefix)}
    rows = [name for name in kinds if "variables_by_width" in name]
    scales = [name for name in kinds if "scales_by_width" in name]
    assert [kinds[name] for name in (*rows, *scales)] == [tf.int8, tf.int8, tf.float32, tf.float32]
    assert sum(reader.get_tensor(name).nbytes for name in (*rows, *scales)) == narrow.sizes.tables


def test_the_saved_graph_holds_no_kernel_in_float32_and_nothing_that_makes_it_one(narrow):
    graph = read_meta_graph(narrow.path).graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    shapes = {kind: set() for kind in (tf.float32, tf.bfloat16)}
    for node in nodes:
        if node.op == "Const" and (kind := tf.as_dtype(node.attr["dtype"].type)) in shapes:
            shapes[kind].add(tf.TensorShape(node.attr["value"].tensor.tensor_shape).num_elements())
    # Two experts [29, 8] and the hidden layers [8, 4]; the last layers [4, 1] and [4, 3] are float32.
    assert {464, 32} <= shapes[tf.bfloat16]
    assert not [size for size in shapes[tf.float32] if size > 16]
    narrow_ones = {node.name for node in nodes if node.op == "Const" and node.attr["dtype"].type == tf.bfloat16}
    casts = [node for node in nodes if node.op == "Cast" and node.attr["DstT"].type == tf.float32.as_datatype_enum]
    assert casts and not [node.name for node in casts if node.input[0].split(":")[0] in narrow_ones]


def test_clients_are_given_float32_and_a_gpu_waits_for_nothing(narrow):
    model = tf.saved_model.load(str(narrow.path))
    assert {*model.signatures} == {"serving_default", "encode", "encoded", "tf_example", "user_once"}
    kinds = {name: one.dtype for name, one in model.signatures["encoded"].structured_outputs.items()}
    assert {kind for name, kind in kinds.items() if name != "y_kind"} == {tf.float32}
    found = narrow.placement["encoded"]
    assert (found.on_host, found.without_kernel, found.between, len(found.down)) == ((), (), (), 1)


def test_what_it_measured_is_what_eval_finds_of_the_checkpoint_and_of_the_export(trained, narrow, ranker):
    pipeline = trained.pipeline()
    before = evaluate(pipeline, ranker.tasks, narrowing.RankerScorer(ranker, tf.float32)).metrics
    assert narrow.narrowing.before == before
    after = evaluate(pipeline, build_tasks(pipeline), SavedModelScorer(narrow.path, pipeline)).metrics
    # An AUC of 300 rows moves by some 1e-4 when two of them change places.
    assert after == pytest.approx({name: narrow.narrowing.after[name] for name in after}, abs=2e-3)
    assert narrow.narrowing.after != before


@pytest.fixture
def measured(trained, ranker, monkeypatch):
    """Measures a change that is made up: the scores of each row, moved by a function of them."""

    def measure(moved, *options):
        exact = narrow_scorer(ranker, Precision(tf.float32, export_pb2.FLOAT32), is_traced=False)
        score = exact.score

        def moved_score(rows):
            scores, losses = score(rows)
            return {name: moved(value) if name == "probs_click" else value for name, value in scores.items()}, losses

        exact.score = moved_score
        monkeypatch.setattr(narrowing, "narrow_scorer", lambda *_: exact)
        return measure_narrowing(trained.pipeline(INT8, *options), ranker)

    return measure


def test_a_change_of_an_auc_is_refused_with_what_it_was_and_is(measured):
    found = measured(lambda scores: scores * 0.5)
    assert found.after == pytest.approx(found.before) and found.num_rows == 300
    assert found.score_changes["probs_click"] > 0.1 and found.score_changes["y_seconds"] == 0
    with pytest.raises(UserError) as caught:
        measured(lambda scores: 1 - scores)
    text = str(caught.value)
    before, after = found.before["auc_click"], 1 - found.before["auc_click"]
    assert text.startswith("export_config.max_auc_change: with precision FLOAT32 and row_precision INT8, auc_click is ")
    assert f"auc_click is {after:.6f} in place of {before:.6f}; gauc_click is " in text
    assert "on 300 rows of the evaluation data. A change of 0.001 is allowed, so nothing was exported." in text
    assert "Try row_precision: FLOAT16 or FLOAT32, or allow more by max_auc_change." in text


def test_a_change_for_the_better_counts_too_and_what_is_allowed_passes(measured):
    before = measured(np.copy).before["auc_click"]
    assert before < 0.5, "so that the opposite order is better"
    with pytest.raises(UserError, match="max_auc_change"):
        measured(lambda scores: 1 - scores)
    assert measured(lambda scores: 1 - scores, "export_config.max_auc_change=1").after["auc_click"] > 0.5


def test_scores_that_are_no_numbers_any_more_are_refused(measured):
    with pytest.raises(UserError, match=r"300 of 300 scores probs_click are NaN or infinite in FLOAT32"):
        measured(lambda scores: scores * np.float32(np.inf), WIDE)


def test_where_no_auc_is_determined_it_is_told(trained, ranker):
    found = measure_narrowing(trained.pipeline(INT8, "eval_config.num_examples=1"), ranker)
    assert found.num_rows == 1 and "determine no AUC" in found.warnings[-1]
    assert found.document()["before"]["auc_click"] is None
    assert not measure_narrowing(trained.pipeline(INT8, WIDE), ranker).warnings


def test_the_first_rows_are_measured_as_many_as_eval_is_limited_to(trained, ranker, monkeypatch):
    assert measure_narrowing(trained.pipeline(INT8, WIDE, "eval_config.num_examples=70"), ranker).num_rows == 70
    monkeypatch.setattr(narrowing, "NUM_ROWS", 90)
    assert measure_narrowing(trained.pipeline(INT8, WIDE), ranker).num_rows == 90


def test_without_evaluation_rows_those_of_training_count_and_without_any_it_is_told(trained, ranker):
    assert measure_narrowing(trained.pipeline(INT8, WIDE, "eval_input_path="), ranker).data == "training"
    nothing = trained.pipeline(INT8, "eval_input_path=")
    nothing.train_input_path = ""
    assert measure_narrowing(nothing, ranker) == Narrowing()
    assert Narrowing().document() == {"rows": 0, "data": None, "before": {}, "after": {}, "score_changes": {}}
    nothing.export_config.max_auc_change = 0.001
    with pytest.raises(UserError, match="max_auc_change is set, and there are no rows to measure on"):
        measure_narrowing(nothing, ranker)


def test_float32_is_not_measured(trained):
    assert measure_narrowing(trained.pipeline("export_config.max_auc_change=0"), None) is None


def rolled(blocks):
    """The rows of a table in blocks, each row in the place of its neighbour."""
    yield next(blocks)
    for parts in blocks:
        yield tuple(tf.roll(part, 1, axis=0) for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[INT8], [BFLOAT16], [BFLOAT16, INT8]], ids=str)
def test_rows_in_the_wrong_places_are_found(trained, tmp_path, score_here, monkeypatch, options):
    parts = served_tables._parts
    monkeypatch.setattr(served_tables, "_parts", lambda *given: rolled(parts(*given)))
    with pytest.raises(UserError, match=r"of row \d+ is .* It was not published"):
        export(trained.pipeline(WIDE, *options), trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("options", [[INT8], [BFLOAT16]], ids=str)
def test_a_lost_default_is_found(trained, tmp_path, score_here, monkeypatch, options):
    signatures, joined = exporting.ServingModel.signatures, Inputs.side_by_side

    def without_default(model):
        with monkeypatch.context() as patch:
            patch.setattr(FeatureSet, "filled", lambda features, name, column: column)
            patch.setattr(Inputs, "side_by_side", lambda inputs, *rest: joined(inputs._replace(defaults={}), *rest))
            return signatures(model)

    monkeypatch.setattr(exporting.ServingModel, "signatures", without_default)
    place = [field.input_name for field in trained.pipeline().data_config.input_fields].index("age")
    pipeline = trained.pipeline(WIDE, *options, f"data_config.input_fields[{place}].default_val=90")
    with pytest.raises(UserError, match=r"of row \d+ is .* It was not published"):
        export(pipeline, trained.checkpoint, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT16"])
def test_kernels_that_stay_variables_are_narrow_too(trained, tmp_path, score_here, monkeypatch, kind):
    monkeypatch.setattr(saved_model, "MOST_CONSTANT_BYTES", 100)
    options = [f"export_config.precision={kind}", f"export_config.row_precision={kind}", WIDE]
    options += ["export_config.batch_size=7", "export_config.embedding_on_cpu=true"]
    done = export(trained.pipeline(*options), trained.checkpoint, tmp_path)
    reader = tf.train.load_checkpoint(str(done.path / "variables" / "variables"))
    values = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    assert sum(value.nbytes for value in values) == done.sizes.network + done.sizes.tables
    wide = [value.shape for value in values if value.dtype == np.float32]
    assert not [shape for shape in wide if len(shape) > 1 and shape not in ((4, 1), (4, 3))]
