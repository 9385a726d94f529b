"""Which version is served when folders come, go, and are broken; requests meanwhile all succeed."""

import asyncio
import json
import shutil

import pytest

from easymtl.errors import UserError
from easymtl.server.model import name_in
from easymtl.server.refusal import Code, Refusal
from easymtl.server.versions import Versions
from easymtl.server.warm_up import REQUESTS
from easymtl.serving.export_folders import served_folder
from tests.server.tiny_export import ROW, client_of, open_desk, write_export

PREDICT = "/v1/models/model:predict"


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Two exports to be copied from; the scores of the second are larger."""
    folder = tmp_path_factory.mktemp("exports")
    return [write_export(folder / "one", 1.0), write_export(folder / "two", 100.0)]


@pytest.fixture
def put(tmp_path, exports):
    """Puts a version into the folder that is watched, by a rename as `easymtl export` does."""
    folder = tmp_path / "model"
    folder.mkdir()

    def put(number, which=0):
        draft = shutil.copytree(exports[which], tmp_path / f"draft_{number}")
        return draft.rename(folder / str(number))

    put.folder = folder
    return put


def states(versions):
    return {number: state.name for number, state in sorted(versions.states.items())}


def test_the_newest_is_served_by_number_and_not_by_name(put):
    put(9)
    put(10)
    (put.folder / "latest").mkdir()
    versions = Versions(put.folder)
    asyncio.run(versions.load())
    assert versions.current.version == 10
    assert versions.get(10) is versions.get() is versions.current
    with pytest.raises(Refusal, match="version 9 is not served; version 10 is"):
        versions.get(9)


def test_an_export_that_is_named_itself_is_served_under_its_number(put, exports):
    versions = Versions(put(12))
    asyncio.run(versions.load())
    assert versions.current.version == 12
    named = Versions(exports[0])
    asyncio.run(named.load())
    assert named.current.version == 1


def test_a_folder_without_an_export(tmp_path):
    with pytest.raises(UserError, match=r"no SavedModel is in this folder.*Make one: easymtl export"):
        Versions(tmp_path)


def test_a_model_dir_with_one_kind_of_exports_stands_for_these(tmp_path):
    for place in ("model/export/final/7", "model/export/none"):
        (tmp_path / place).mkdir(parents=True)
    final = tmp_path / "model/export/final"
    (final / "7/saved_model.pb").touch()
    assert served_folder(tmp_path / "model") == served_folder(final) == final
    assert served_folder(final / "7") == final / "7" and served_folder(tmp_path) == tmp_path
    (tmp_path / "model/export/best/8").mkdir(parents=True)
    (tmp_path / "model/export/best/8/saved_model.pb").touch()
    assert served_folder(tmp_path / "model") == tmp_path / "model", "which of them is not for a server to choose"


def test_a_model_dir_is_answered_with_the_folders_of_its_exports(tmp_path):
    for place in ("best/12", "final/7", "empty"):
        (tmp_path / "export" / place).mkdir(parents=True)
        if place != "empty":
            (tmp_path / "export" / place / "saved_model.pb").touch()
    export = tmp_path / "export"
    with pytest.raises(UserError, match=rf"no SavedModel is in .* Name {export}/best or {export}/final.$"):
        Versions(tmp_path)


def test_a_newer_version_takes_over_and_going_back_works(put):
    async def run():
        put(1)
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        first = versions.current
        first.take()
        newer = put(2, 1)
        await versions.look()
        assert versions.current is first, "a folder is looked at twice before it is loaded"
        await versions.look()
        assert versions.current.version == 2
        assert states(versions) == {1: "END", 2: "AVAILABLE"}
        # A request that was checked against the old version is still computed by it.
        first.run(first.signatures["tf_example"], {"examples": ["ab"]})
        first.give_back()
        with pytest.raises(Exception, match=r"tf_example|closed"):
            first.run(first.signatures["tf_example"], {"examples": ["ab"]})
        shutil.rmtree(newer)
        await versions.look()
        await versions.look()
        assert versions.current.version == 1
        assert told == ["Version 2 is served now, in place of 1.", "Version 1 is served now, in place of 2."]

    asyncio.run(run())


def damage(path):
    (path / "saved_model.pb").write_bytes(b"no model")


def lose_variables(path):
    shutil.rmtree(path / "variables", ignore_errors=True)
    (path / "saved_model.pb").write_bytes((path / "saved_model.pb").read_bytes()[:300])


def spoil_description(path):
    (path / "assets.extra" / "easymtl.json").write_text("{")


@pytest.mark.parametrize("harm", [damage, lose_variables, spoil_description])
def test_a_broken_version_is_named_and_the_old_one_stays(put, harm):
    async def run():
        put(1)
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        harm(put(2, 1))
        for _ in range(4):
            await versions.look()
        assert versions.current.version == 1
        assert states(versions) == {1: "AVAILABLE", 2: "END"}
        (said,) = told
        assert said.startswith(f"Version 2 is not served: {put.folder}/2") and said.endswith("Version 1 stays.")
        # Mended, it is tried again.
        shutil.rmtree(put.folder / "2")
        put(20, 1).rename(put.folder / "2")
        await versions.look()
        await versions.look()
        assert versions.current.version == 2

    asyncio.run(run())


def test_at_the_start_the_newest_that_can_be_loaded_is_served(put):
    put(1)
    damage(put(2))
    versions = Versions(put.folder)
    asyncio.run(versions.load())
    assert versions.current.version == 1
    damage(put.folder / "1")
    with pytest.raises(UserError, match=r"(?s)/2: cannot be loaded.*/1: cannot be loaded"):
        asyncio.run(Versions(put.folder).load())


def test_before_anything_is_loaded_requests_are_told(put):
    put(1)
    with pytest.raises(Refusal) as error:
        Versions(put.folder).get()
    assert error.value.code is Code.UNAVAILABLE


def test_a_warm_up_file_that_is_none_is_named_and_the_model_is_served(put):
    path = put(1) / REQUESTS
    path.write_text("hi")
    told = []
    versions = Versions(put.folder, told.append)
    asyncio.run(versions.load())
    assert versions.current.version == 1
    assert told and str(path) in told[0]


def test_no_request_fails_while_versions_are_swapped(put):
    """Each answer is of one version: the scores of all its rows, and what is told of it."""

    async def run():
        put(1)
        desk = await open_desk(put.folder)
        watching = asyncio.ensure_future(desk.versions.watch())
        rows = [ROW | {"age": age} for age in range(3)]
        body = json.dumps({"instances": rows}).encode()
        expected = {factor: [2.5 * factor + row["age"] for row in rows] for factor in (1, 100)}
        seen = []

        async def ask(client):
            while len(seen) < 2000 and seen[-20:].count(100) < 20:
                answer = await client.post(PREDICT, content=body)
                assert answer.status_code == 200, answer.text
                scores = [row["y_seconds"] for row in answer.json()["predictions"]]
                (factor,) = (one for one, wanted in expected.items() if scores == wanted)
                seen.append(factor)
                if len(seen) == 30:
                    put(2, 1)

        async with client_of(desk) as client:
            await asyncio.gather(*(ask(client) for _ in range(8)))
        watching.cancel()
        await desk.batcher.stop()
        assert set(seen) == {1, 100}

    asyncio.run(run())


def test_a_model_is_called_as_its_newest_export_says(tmp_path):
    assert name_in(tmp_path) == "model"
    for version, name in (("2", "shop"), ("10", "new_shop")):
        extra = tmp_path / version / "assets.extra"
        extra.mkdir(parents=True)
        (tmp_path / version / "saved_model.pb").write_bytes(b"")
        (extra / "easymtl.json").write_text(json.dumps({"name": name}))
    assert name_in(tmp_path) == "new_shop"
    assert name_in(tmp_path / "2") == "shop"
    # The one before is served when the newest cannot be loaded.
    for harm in ("{", "[]", "\xff"):
        (tmp_path / "10" / "assets.extra" / "easymtl.json").write_bytes(harm.encode("latin-1"))
        assert name_in(tmp_path) == "shop"
    (tmp_path / "10" / "assets.extra" / "easymtl.json").unlink()
    assert name_in(tmp_path) == "model"
