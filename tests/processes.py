"""Runs each test file in a forked process of its own, with `pytest -n` and without.

A graph that TensorFlow has traced or loaded stays in its process, so a process that runs everything grows to gigabytes,
and Python's garbage collector walks through all of it again and again. A fork costs nothing: modules are imported once,
in the process that collects, and shared by all. A test that is marked `alone` has a process for itself.

TensorFlow gets one thread of each kind: threads without work look for some before they sleep, which is a quarter of the
processor time of tiny trainings, while another core has tests to run. Files and tests that are marked `threads` get as
many as there are cores.
"""

import builtins
import gc
import importlib
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Generator, Iterator
from typing import IO, Any

import pytest

COSTS = "EASYMTL_TEST_COSTS"
"""Names a file that gets a line for each process of tests: its processor time in seconds, the largest resident set of
it and of what it started and waited for in bytes, and what it was for."""

_ONE_THREAD = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# What a training imports on its way: 250 modules, which every process would read anew.
_IMPORTED_ON_THE_WAY = ("tensorboard.plugins.scalar.summary_v2", "tensorboard.plugins.histogram.summary_v2")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Leaves a test to debug in the process that has the terminal."""
    if not (config.getoption("usepdb") or config.getoption("trace") or config.getoption("collectonly")):
        config.pluginmanager.register(Forks())


class Forks:
    """Gives the items of one file, or one item that is marked `alone`, to one forked process after the other."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._has_shared = False

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, pytest.CollectReport]:
        """Refuses a file that makes tensors when it is imported."""
        was_used = _is_tensorflow_used()
        report = yield
        if not was_used and _is_tensorflow_used():
            report.outcome, report.result = "failed", []
            report.longrepr = (
                f"{collector.nodeid}: TensorFlow has been used while this was imported, and its threads do not survive "
                "a fork: make tensors in tests and fixtures, and arrays of NumPy outside of them"
            )
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Has an item run by its process, and reports what came of it as if it had run here."""
        if self._running is None:
            self._share(item.session)
            self._running = Running(item.session, _unit(item), item.get_closest_marker("threads") is not None)
        is_last = nextitem is None or _unit(nextitem) != _unit(item)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        is_alive, said = False, ""
        for name, content in self._running.results(item, None if is_last else nextitem):
            is_alive = name == "done"
            if name == "report":
                item.ihook.pytest_runtest_logreport(report=_report_from(item.config, content))
            elif name == "warning":
                item.config.hook.pytest_warning_recorded.call_historic(kwargs=_warning_from(content))
            elif name == "error":
                said = content
        if is_last or not is_alive:
            end = self._running.end()
            self._running = None
            if not is_alive:
                item.ihook.pytest_runtest_logreport(report=_death(item, end, said))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Ends the process of a file that was broken off, as by `-x`."""
        if self._running is not None:
            self._running.end()

    def _share(self, session: pytest.Session) -> None:
        """Prepares this process, once, to be forked."""
        if self._has_shared:
            return
        self._has_shared = True
        if "tensorflow" in sys.modules:
            for name in _IMPORTED_ON_THE_WAY:
                importlib.import_module(name)
        # Otherwise each process would number a folder of its own, and remove those of others.
        session.config._tmp_path_factory.getbasetemp()
        # What is there now stays; nobody has to look through it for garbage.
        gc.collect()
        gc.freeze()


class Running:
    """A forked process that runs items when it is told to.

    Lines go both ways: `[place, place of the next or null]` there, and `[name, content]` back, where the name is
    report, warning, done behind an item, or error where no item can be run any more.
    """

    def __init__(self, session: pytest.Session, unit: str, has_threads: bool):
        self._unit = unit
        self._places = {item: place for place, item in enumerate(session.items)}
        commands, self._commands = _pipe()
        self._results, results = _pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if not self._process:
            self._commands.close()
            self._results.close()
            if not has_threads:
                os.environ |= {name: "1" for name in _ONE_THREAD if name not in os.environ}
            _run(session, commands, results)
        commands.close()
        results.close()

    def results(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[tuple[str, Any]]:
        """Runs an item, and yields what its process tells, up to its end or that of the process."""
        places = [self._places[item], None if nextitem is None else self._places[nextitem]]
        try:
            print(json.dumps(places), file=self._commands, flush=True)
        except BrokenPipeError:
            return
        for line in self._results:
            name, content = json.loads(line)
            yield name, content
            if name == "done":
                return

    def end(self) -> str:
        """Lets the process end, and says how it did."""
        self._commands.close()
        self._results.close()
        _, status, used = os.wait4(self._process, 0)
        if COSTS in os.environ:
            with open(os.environ[COSTS], "a", encoding="utf-8") as file:
                print(f"{used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss * 1024} {self._unit}", file=file)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _pipe() -> tuple[IO[str], IO[str]]:
    """Returns the end to read and the end to write."""
    return tuple(os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw"))


def _run(session: pytest.Session, commands: IO[str], results: IO[str]) -> None:
    """Runs items in the forked process, which never returns."""
    code = 1
    try:
        manager = session.config.pluginmanager
        for plugin in manager.get_plugins():
            if type(plugin).__name__ in ("Forks", "TerminalReporter", "WorkerInteractor"):
                manager.unregister(plugin)
        sender = Sender(session.config, results)
        # Who registers is told all warnings so far. They are known where this process came from, and each process
        # would double them.
        manager.register(sender)
        sender.sends_warnings = True
        for line in commands:
            place, next_place = json.loads(line)
            item, nextitem = session.items[place], None if next_place is None else session.items[next_place]
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            print('["done", null]', file=results, flush=True)
        session._setupstate.teardown_exact(None)
        code = 0
    except BaseException:
        print(json.dumps(["error", traceback.format_exc()]), file=results, flush=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Sender:
    """Sends what is reported in the forked process to the one that prints.

    Attributes:
        sends_warnings: whether warnings are of this process.
    """

    def __init__(self, config: pytest.Config, results: IO[str]):
        self.sends_warnings = False
        self._config = config
        self._results = results

    def _send(self, name: str, content: dict[str, Any]) -> None:
        print(json.dumps([name, content], default=str), file=self._results, flush=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._send("report", self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        if not self.sends_warnings:
            return
        content = {
            "text": str(warning_message.message),
            "category": warning_message.category.__name__,
            "place": [warning_message.filename, warning_message.lineno],
        }
        self._send("warning", content | {"when": when, "nodeid": nodeid})


def _is_tensorflow_used() -> bool:
    if "tensorflow" not in sys.modules:
        return False
    from tensorflow.python.eager import context

    return context.context()._initialized


def _unit(item: pytest.Item) -> str:
    """Returns what a process is for."""
    return item.nodeid if item.get_closest_marker("alone") else item.nodeid.partition("::")[0]


def _report_from(config: pytest.Config, content: dict[str, Any]) -> pytest.TestReport:
    report = config.hook.pytest_report_from_serializable(config=config, data=content)
    if isinstance(report.longrepr, list):
        # The place and the reason of a skip, of which JSON made a list.
        report.longrepr = tuple(report.longrepr)
    return report


def _warning_from(content: dict[str, Any]) -> dict[str, Any]:
    category = getattr(builtins, content["category"], UserWarning)
    message = warnings.WarningMessage(category(content["text"]), category, *content["place"])
    return {"warning_message": message, "when": content["when"], "nodeid": content["nodeid"], "location": None}


def _death(item: pytest.Item, end: str, said: str) -> pytest.TestReport:
    text = f"{said}{item.nodeid}: the process of this test ended with {end}"
    return pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", text, "call")
