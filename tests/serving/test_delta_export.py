"""`easymtl export --since` of a model that trains on: what it writes leads to the export of the new checkpoint."""

import io
import shutil

import numpy as np
import pytest
from rich.console import Console

from easymtl.api.exporting import exports_of
from easymtl.checkpoints.restore import find_checkpoint
from easymtl.errors import UserError
from easymtl.reporting.exports import print_delta
from easymtl.serving import delta_rows, parity, saved_model
from easymtl.serving import export as exporting
from easymtl.serving.delta_export import export_since
from easymtl.serving.delta_folders import Delta
from easymtl.serving.delta_joining import joined
from easymtl.serving.export import export
from easymtl.serving.saved_model_scorer import newest_export
from easymtl.serving.tensor_bundle import stored_variables
from easymtl.training.trainer import Trainer
from tests.serving.conftest import make_rows
from tests.serving.scoring_here import score_here
from tests.serving.small_versions import files_of, size_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module", autouse=True)
def proved_here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        # Where a graph runs does not depend on what a version is written as; tests/serving/test_placement.py looks.
        patch.setattr(exporting, "placements_of", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def checkpoints(trained):
    """The checkpoints of steps 4, 5 and 6."""
    for step in (5, 6):
        Trainer(trained.config(f"train_config.num_steps={step}"), lambda event: None).run()
    return {step: find_checkpoint(trained.pipeline(), str(step)) for step in (4, 5, 6)}


@pytest.fixture(scope="module")
def versions(trained, checkpoints, tmp_path_factory):
    """A folder with an export of step 4, a delta to step 5, and a delta from that to step 6."""
    folder, pipeline = tmp_path_factory.mktemp("versions"), trained.pipeline()
    first = export(pipeline, checkpoints[4], folder)
    second = export_since(pipeline, checkpoints[5], folder, first.path.name)
    third = export_since(pipeline, checkpoints[6], folder, "5")
    return folder, first, second, third


@pytest.fixture(scope="module")
def whole(trained, checkpoints, tmp_path_factory):
    """An export of step 6."""
    return export(trained.pipeline(), checkpoints[6], tmp_path_factory.mktemp("whole")).path


def rows_of(folder):
    return {name: one.rows().copy() for name, one in stored_variables(folder).items() if one.dtype != "string"}


def scores_of(folder):
    rows = make_rows(50, seed=3)
    names = ("user", "city", "level", "tags", "price", "age")
    missing = {"user": "", "city": "", "level": 3, "tags": "", "price": 0.0, "age": 0.0}
    columns = {name: rows[name].fill_null(missing[name]).combine_chunks() for name in names}
    return score_here(folder, columns)


def test_joined_a_chain_of_deltas_is_the_export_of_the_new_checkpoint(versions, whole, tmp_path):
    _, first, second, third = versions
    assert (second.base.path, third.base.path) == (first.path, second.export.path)
    folder = joined(third.export.path, tmp_path)
    new, there = rows_of(folder), rows_of(whole)
    assert new.keys() == there.keys() and len(new) == 2
    for name, rows in new.items():
        np.testing.assert_array_equal(rows, there[name])
    for name, values in scores_of(whole).items():
        np.testing.assert_array_equal(scores_of(folder)[name], values)
    assert files_of(folder).keys() == files_of(whole).keys()


def test_it_holds_the_rows_that_training_has_touched_and_is_smaller(versions, tmp_path):
    _, first, second, _ = versions
    old, new = rows_of(first.path), rows_of(joined(second.export.path, tmp_path))
    differ = {delta_rows.shown(name): (int((new[name] != old[name]).any(axis=1).sum()), len(new[name])) for name in new}
    assert second.changed == differ
    assert all(0 < changed < rows for changed, rows in differ.values())
    assert second.num_bytes == size_of(second.export.path) < second.whole_bytes / 2
    assert second.whole_bytes == sum(size for size, _ in Delta(second.export.path).record["files"].values())
    assert second.export.parity.num_rows == 100


def test_everyone_else_sees_the_export_alone(versions, trained, checkpoints):
    folder, first, second, _ = versions
    assert newest_export(folder) == first.path
    assert exports_of(checkpoints[5], folder) == []
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == [], "no draft is left"
    with pytest.raises(UserError, match=f"{second.export.path} is a delta, .*--write"):
        newest_export(second.export.path)


def test_what_it_prints(versions):
    _, _, second, third = versions
    text = io.StringIO()
    for done in (second, third):
        print_delta(done, Console(file=text, width=200))
    said = " ".join(text.getvalue().split())
    counts = {name: f"{changed} of {rows} in {name}" for name, (changed, rows) in second.changed.items()}
    assert f"delta {second.export.path}" in said
    assert f"since {second.base.path} of step 4" in said and f"since {second.export.path} of step 5" in said
    assert f"of 116: {', '.join(counts.values())}" in said
    assert f"bytes {second.num_bytes:,}, the whole export has {second.whole_bytes:,}" in said


def test_since_a_checkpoint_it_is_joined_with_any_export_of_it(trained, checkpoints, versions, whole, tmp_path):
    done = export_since(trained.pipeline(), checkpoints[6], tmp_path, "4")
    assert done.base.checkpoint == checkpoints[4]
    with pytest.raises(UserError, match=r"its base, an export of step 4, is not in"):
        joined(done.export.path, tmp_path / "out")
    shutil.copytree(versions[1].path, tmp_path / "77")
    new, there = rows_of(joined(done.export.path, tmp_path / "out")), rows_of(whole)
    assert all((new[name] == there[name]).all() for name in there)


def test_nothing_has_changed_and_what_is_joined_is_what_is_proved(trained, checkpoints, versions, monkeypatch):
    folder, _, _, third = versions
    proved = []

    def look(path, *rows):
        proved.append((path.name, path.parent, files_of(path).keys()))
        return parity.check_parity(path, *rows)

    monkeypatch.setattr("easymtl.serving.export.check_parity", look)
    done = export_since(trained.pipeline(), checkpoints[6], folder, str(third.export.path))
    assert {changed for changed, _ in done.changed.values()} == {0}
    ((name, parent, files),) = proved
    assert ".joined-" in name and parent == folder and {"saved_model.pb", "variables/variables.index"} <= files
    shutil.rmtree(done.export.path)


def test_a_network_that_is_no_constant_has_its_kernels_among_the_variables(trained, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "MOST_CONSTANT_BYTES", 0)
    done = export_since(trained.pipeline(), checkpoints[5], tmp_path, "4")
    kernels = {name: counts for name, counts in done.changed.items() if name.startswith("the variable ")}
    assert len(kernels) > 10 and sum(changed > 0 for changed, _ in kernels.values()) > 10


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["feature_config.features[0].hash_bucket_size=60"], 'is another model: the feature "user" is not what it was'),
        (["feature_config.features[3].combiner=sum"], 'the feature "tags" is not what it was'),
    ],
)
def test_another_model_is_refused_before_anything_slow(trained, checkpoints, versions, overrides, says):
    folder, first, _, _ = versions
    with pytest.raises(UserError) as error:
        export_since(trained.pipeline(*overrides), checkpoints[5], folder, first.path.name)
    assert says in str(error.value) and "easymtl export without --since" in str(error.value)


def test_another_vocabulary_is_refused_before_anything_slow(trained, checkpoints, versions):
    words = trained.folder / "cities.txt"
    text = words.read_text(encoding="utf-8")
    words.write_text("\n".join(reversed(text.split())) + "\n", encoding="utf-8")
    try:
        with pytest.raises(UserError, match='the vocab_file of "city" is not what it was'):
            export_since(trained.pipeline(), checkpoints[5], versions[0], "4")
    finally:
        words.write_text(text, encoding="utf-8")


def test_what_is_no_base_is_named(trained, checkpoints, versions):
    folder, first, _, _ = versions
    with pytest.raises(UserError) as error:
        export_since(trained.pipeline(), checkpoints[5], folder, first.path.name[:-1])
    said = str(error.value)
    assert f'is no version in {folder} ("{first.path.name}", ' in said and '"4", "5", "6"' in said
    assert 'Did you mean "1' in said
