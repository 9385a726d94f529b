"""A tiny export, and the rows that it is asked for."""

import asyncio
import socket
import threading

import pytest


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The tiny export, which takes any number of rows."""
    from tests.ways.tiny_export import write_export

    return write_export(tmp_path_factory.mktemp("tiny") / "3")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 40 rows in which values are missing."""
    from tests.ways.tiny_export import write_rows

    return write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", 40)


@pytest.fixture
def ask_here(monkeypatch):
    """Lets the way `tensorflow` ask in this process."""
    import pyarrow as pa

    from easymtl.serving.reload import scores_of
    from easymtl.ways import tensorflow_apart

    def ask(folder, requests):
        return scores_of(str(folder), {name: pa.table(dict(columns)) for name, columns in requests.items()})

    monkeypatch.setattr(tensorflow_apart, "ask_apart", ask)


@pytest.fixture(scope="module")
def served(export):
    """Where the tiny export is served, by a server in a thread of this process."""
    from easymtl.server.checks import Limits
    from easymtl.server.desk import Desk, Options
    from easymtl.server.grpc_services import server_of
    from easymtl.server.running import Server, _config
    from easymtl.server.versions import Versions
    from easymtl.ways.address import Served

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = socket.create_server(("127.0.0.1", 0))

    async def start():
        desk = Desk(Versions(export), Options("tiny", 256, Limits(rows=1000, bytes=1 << 20, seconds=60.0)))
        await desk.versions.load()
        desk.batcher.start()
        of_grpc, of_rest = server_of(desk), Server(_config(desk))
        port = of_grpc.add_insecure_port("127.0.0.1:0")
        await of_grpc.start()
        return desk, of_grpc, of_rest, asyncio.create_task(of_rest.serve(sockets=[listener])), port

    async def stop():
        of_rest.should_exit = True
        await asyncio.gather(task, of_grpc.stop(1))
        await desk.batcher.stop()
        desk.versions.close()

    desk, of_grpc, of_rest, task, port = asyncio.run_coroutine_threadsafe(start(), loop).result(120)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield Served(f"{url}/v1/models/tiny", f"127.0.0.1:{port}", "tiny")
    asyncio.run_coroutine_threadsafe(stop(), loop).result(120)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
