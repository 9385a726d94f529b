"""Deltas in a folder that is watched: joined, loaded and swapped as exports are; without a base the old one stays."""

import asyncio
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from easymtl.errors import UserError
from easymtl.server.model import name_in
from easymtl.server.versions import Versions
from tests.server.tiny_export import ROW, client_of, open_desk, write_export
from tests.serving.small_versions import write_delta

PREDICT = "/v1/models/model:predict"
BODY = json.dumps({"instances": [ROW]}).encode()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An export, and deltas to versions whose scores are larger, the second made from the first."""
    folder = tmp_path_factory.mktemp("made")
    write_export(folder / "1", 1.0)
    write_delta(folder / "1", write_export(folder / "two", 10.0), folder / "2.delta")
    write_delta(folder / "2.delta", write_export(folder / "three", 100.0), folder / "3.delta")
    return folder


@pytest.fixture
def put(made, tmp_path, monkeypatch):
    """Puts a version into the folder that is watched."""
    folder, temporary = tmp_path / "model", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def put(name):
        shutil.copytree(made / name, tmp_path / "draft").rename(folder / name)
        return folder / name

    put.folder = folder
    put.temporary = temporary
    return put


def score(versions):
    model = versions.get()
    signature = model.signatures["user_once"]
    return float(model.run(signature, {"age": [0], "price": [1.0]})["score"][0])


async def look(versions, times=2):
    for _ in range(times):
        await versions.look()


def joined_folders(put):
    return sorted(path.name for folder in put.temporary.iterdir() for path in folder.iterdir())


def test_a_delta_takes_over_and_so_does_one_that_is_made_from_it(put):
    async def run():
        put("1")
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        put("2.delta")
        await look(versions)
        assert (versions.current.version, score(versions)) == (2, 10.0)
        assert told == [
            f"{put.folder}/2.delta: joined with {put.folder}/1.",
            "Version 2 is served now, in place of 1.",
        ]
        # What it was made from is gone; what was joined before stands for it.
        for path in list(put.folder.iterdir()):
            shutil.rmtree(path)
        put("3.delta")
        await look(versions)
        assert (versions.current.version, score(versions)) == (3, 100.0)
        assert joined_folders(put) == ["3"], "only what is served is kept"
        versions.close()
        assert list(put.temporary.iterdir()) == []

    asyncio.run(run())


def test_a_chain_is_joined_at_the_start(put):
    for name in ("1", "2.delta", "3.delta"):
        put(name)
    versions = Versions(put.folder)
    asyncio.run(versions.load())
    assert (versions.current.version, score(versions)) == (3, 100.0)
    assert versions.current.description["step"] == 7


def test_without_its_base_the_old_version_stays_until_the_base_comes(put):
    async def run():
        put("1")
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        put("3.delta")
        await look(versions, 4)
        (said,) = told
        assert said.startswith(
            f"Version 3 is not served: {put.folder}/3.delta: its base, version 2 of step 1, is not in"
        )
        assert said.endswith("Version 1 stays.") and score(versions) == 1.0
        put("2.delta")
        await look(versions)
        assert (versions.current.version, score(versions)) == (3, 100.0)

    asyncio.run(run())


def test_with_another_base_the_old_version_stays(put):
    async def run():
        write_export(put.folder / "1", 5.0)
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        put("2.delta")
        await look(versions, 4)
        assert versions.current.version == 1 and score(versions) == 5.0
        (said,) = told
        assert f'but {put.folder}/1 has other rows: the variable "factor" is not that which' in said

    asyncio.run(run())


def test_with_a_damaged_delta_the_old_version_stays(put):
    async def run():
        put("1")
        told = []
        versions = Versions(put.folder, told.append)
        await versions.load()
        delta = put("2.delta")
        (delta / "graph.deflated").write_bytes(b"no graph")
        await look(versions, 4)
        assert versions.current.version == 1 and score(versions) == 1.0
        assert [text.split(":")[0] for text in told] == ["Version 2 is not served"]
        assert joined_folders(put) == []

    asyncio.run(run())


def test_a_delta_that_is_named_itself_is_served(made, put):
    assert name_in(made / "2.delta") == "model"
    versions = Versions(made / "2.delta")
    asyncio.run(versions.load())
    assert (versions.current.version, score(versions)) == (2, 10.0)
    put("2.delta")
    with pytest.raises(UserError, match=r"its base, version 1 of step 1, is not in"):
        asyncio.run(Versions(put.folder).load())


def test_no_request_fails_while_a_delta_is_swapped_in(put):
    async def run():
        put("1")
        desk = await open_desk(put.folder)
        watching = asyncio.ensure_future(desk.versions.watch())
        seen: list[float] = []
        end = time.monotonic() + 60

        async def ask(client):
            # How many requests that takes is up to what else the machine does.
            while time.monotonic() < end and seen[-20:].count(55.0) < 20:
                answer = await client.post(PREDICT, content=BODY)
                assert answer.status_code == 200, answer.text
                seen.append(answer.json()["predictions"][0]["y_seconds"])
                if len(seen) == 20:
                    put("2.delta")

        async with client_of(desk) as client:
            await asyncio.gather(*(ask(client) for _ in range(4)))
        watching.cancel()
        await desk.batcher.stop()
        # 2.5 times 1 or 10, and the age of 30.
        assert set(seen) == {32.5, 55.0}
        desk.versions.close()

    asyncio.run(run())


def test_a_folder_that_cannot_be_written_to_is_told(put, monkeypatch):
    put("1")
    put("2.delta")
    monkeypatch.setattr(tempfile, "tempdir", str(Path(os.devnull)))
    told = []
    versions = Versions(put.folder, told.append)
    asyncio.run(versions.load())
    assert versions.current.version == 1
    assert told[0].startswith("Version 2 is not served: ")
