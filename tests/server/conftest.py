"""One tiny export for each file, and one loop of events for all that is asked of it."""

import asyncio

import pytest


@pytest.fixture(scope="module")
def loop():
    """The loop in which the server of a file lives."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny export, version 3 of a folder."""
    from tests.server.tiny_export import write_export

    return write_export(tmp_path_factory.mktemp("model") / "3").parent


@pytest.fixture(scope="module")
def desk(loop, folder):
    """A desk that serves it."""
    from tests.server.tiny_export import open_desk

    desk = loop.run_until_complete(open_desk(folder))
    yield desk
    loop.run_until_complete(desk.batcher.stop())
    desk.versions.close()
