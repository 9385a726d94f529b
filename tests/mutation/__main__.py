"""Puts small faults into the package, one at a time, and tells which of them no test notices: `make mutate`.

A sample of all mutants of the chosen modules (chosen.py) is tried in copies of the checkout, each by the tests that
judge its module. The sample is a function of the seed and of the mutants' own names: an edit elsewhere in a module
changes nothing about which of the others are tried. Every survivor is printed with its place and its edit; it becomes
a test, or is argued away in equivalent.txt.
"""

import argparse
import fnmatch
import hashlib
import json
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mutation import chosen, score
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.worker import Worker

ROOT = Path(__file__).parents[2]
_FEWEST = 2
_LONGEST_FILE_SECONDS = 900.0


def main() -> int:
    """Runs what the arguments say, and returns 0: a survivor is no failure of the run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", help="patterns of modules, as easymtl/serving/*; all chosen ones if none")
    parser.add_argument("--share", type=float, default=0.03, help="of each module's mutants to try, 1 for all of them")
    parser.add_argument("--seed", type=int, default=1, help="another one tries others")
    parser.add_argument("--minutes", type=float, help="begin no other mutant behind so many, and tell the score so far")
    parser.add_argument("--workers", type=int, default=2, help="copies in which mutants are tried side by side")
    parser.add_argument(
        "--mirrored", action="store_true", help="judge by the mirrored tests alone: quick, to write them"
    )
    parser.add_argument("--again", type=Path, help="only the survivors of these results")
    parser.add_argument(
        "--results", type=Path, default=Path("model_dir/mutation.json"), help="where to write the outcome"
    )
    parser.add_argument("--table", type=Path, help="run nothing; print the score of the results of an earlier run")
    options = parser.parse_args()
    for path in (options.table, options.again):
        if path and not path.is_file():
            parser.error(f"{path}: there is no such file; a run without --table and --again writes one, see --results")
    equivalent = score.read_equivalent()
    if options.table:
        print(score.table(json.loads(options.table.read_text())["tried"], equivalent))
        return 0
    everything, sources = _all_mutants(options.modules)
    for identity in sorted(set(equivalent) - {mutant.identity for mutant in everything}) if not options.modules else ():
        print(f"equivalent.txt names a mutant that is no more: {identity}")
    if options.again:
        rows = json.loads(options.again.read_text())["tried"]
        wanted = {row["identity"] for row in rows if row["outcome"] == "survived"}
        mutants = [mutant for mutant in everything if mutant.identity in wanted]
    else:
        mutants = sample(everything, options.seed, options.share)
    print(f"{len(mutants)} of {len(everything)} mutants of {len(sources)} modules, seed {options.seed}", flush=True)
    # As Ctrl-C, which a command in the background does not get.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="easymtl-mutation-") as name:
        Run(Path(name), sources, equivalent, options).run(mutants)
    return 0


def _all_mutants(patterns: list[str]) -> tuple[list[Mutant], dict[str, str]]:
    """Returns the mutants, and the sources by module."""
    sources = {}
    for module in chosen.modules(ROOT):
        if not patterns or any(fnmatch.fnmatch(module, pattern) for pattern in patterns):
            sources[module] = (ROOT / module).read_text(encoding="utf-8")
    if not sources:
        raise SystemExit(f"no module fits {' '.join(patterns)}; chosen are {', '.join(chosen.CHOSEN)}")
    return [mutant for module, source in sources.items() for mutant in mutants_of(module, source)], sources


def sample(mutants: list[Mutant], seed: int, share: float) -> list[Mutant]:
    """Returns a share of each module's mutants, at least a few, mixed so that any beginning is a sample, too."""
    modules: dict[str, list[Mutant]] = {}
    for mutant in sorted(mutants, key=lambda each: hashlib.sha256(f"{seed} {each.identity}".encode()).digest()):
        modules.setdefault(mutant.module, []).append(mutant)
    ranked = []
    for found in modules.values():
        ranked += [
            (rank / len(found), each) for rank, each in enumerate(found[: max(_FEWEST, round(share * len(found)))])
        ]
    return [mutant for _, mutant in sorted(ranked, key=lambda pair: pair[0])]


class Run:
    """One run over a list of mutants."""

    def __init__(self, folder: Path, sources: dict[str, str], equivalent: dict[str, str], options: argparse.Namespace):
        self.folder = folder
        self.sources = sources
        self.equivalent = equivalent
        self.options = options
        self.tests = {module: chosen.tests_of(ROOT, module, options.mirrored) for module in sources}
        self.usual: dict[str, dict] = {}
        self.tried: list[dict] = []
        self.one_at_a_time = threading.Lock()
        self.began = time.monotonic()

    def run(self, mutants: list[Mutant]) -> None:
        """Tries all of them and tells the score.

        Raises:
            SystemExit: a test fails without any fault in the package.
        """
        workers = [Worker(ROOT, self.folder / f"copy_{index}") for index in range(self.options.workers)]
        try:
            needed = {mutant.module for mutant in mutants}
            files = dict.fromkeys(file for module in self.tests if module in needed for file in self.tests[module])
            _share_out(workers, list(files), self._measure)
            seconds = sum(answer["cpu_seconds"] for answer in self.usual.values())
            print(f"{len(files)} test files take {seconds:.0f} s of a processor", flush=True)
            _share_out(workers, mutants, self._try, self._is_over)
            if len(self.tried) < len(mutants):
                print(f"time is up; {len(self.tried)} of {len(mutants)} were tried, which are a sample, too")
        except KeyboardInterrupt:
            print("stopped; this is the score of what was tried")
        finally:
            for worker in workers:
                worker.close()
        self._tell()

    def _is_over(self) -> bool:
        limit = self.options.minutes
        return limit is not None and time.monotonic() - self.began >= 60 * limit

    def _measure(self, worker: Worker, file: str) -> None:
        self.usual[file] = answer = worker.run([file], _LONGEST_FILE_SECONDS, _LONGEST_FILE_SECONDS)
        if answer["outcome"] != "passed":
            raise SystemExit(f"{worker.log_tail()}\n{file}: {answer['outcome']} without any fault in the package")

    def _try(self, worker: Worker, mutant: Mutant) -> None:
        source = self.sources[mutant.module]
        row = {"identity": mutant.identity, "module": mutant.module, "line": mutant.line}
        if mutant.identity in self.equivalent:
            row |= {"outcome": "equivalent"}
        else:
            mirrored, *others = self.tests[mutant.module]
            files = [mirrored, *sorted(others, key=lambda file: self.usual[file]["cpu_seconds"])]
            usual = {key: sum(self.usual[file][key] for file in files) for key in ("cpu_seconds", "seconds")}
            with worker.mutated(mutant.module, mutant.applied(source)):
                answer = worker.run(files, 20 + 3 * usual["cpu_seconds"], 60 + 5 * usual["seconds"])
            survived = answer["outcome"] == "passed"
            row |= {"outcome": "survived" if survived else "killed", "cpu_seconds": answer["cpu_seconds"]}
            row |= {} if survived else {"by": "timeout" if answer["outcome"] == "timeout" else answer["by"]}
        with self.one_at_a_time:
            self.tried.append(row)
            self._write()
        cost = f"{row.get('cpu_seconds', 0):6.1f} s"
        print(f"{row['outcome']:10} {cost}  {mutant.identity}  {row.get('by', '')}", flush=True)
        if row["outcome"] == "survived":
            print(f"{mutant.module}:{mutant.line}\n{mutant.difference(source)}", flush=True)

    def _write(self) -> None:
        minutes = (time.monotonic() - self.began) / 60
        settings = {"seed": self.options.seed, "share": self.options.share, "minutes": round(minutes, 1)}
        score.write(self.options.results, settings, self.tried)

    def _tell(self) -> None:
        print(f"\n{score.table(self.tried, self.equivalent)}")
        minutes = (time.monotonic() - self.began) / 60
        print(f"\nin {minutes:.0f} minutes; outcome of each mutant: {self.options.results}")


def _share_out(
    workers: list[Worker],
    things: list,
    each: Callable[[Worker, Any], None],
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Calls `each(worker, thing)` for all things until `is_over`, one at a time for each worker.

    Raises:
        Exception: The first one that a call raised; what was waiting is left.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for thing in things:
        waiting.put(thing)
    errors: list[BaseException] = []

    def work(worker: Worker) -> None:
        try:
            while not errors and not is_over():
                each(worker, waiting.get_nowait())
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt as stop:
        errors.append(stop)
        raise
    if errors:
        raise errors[0]


if __name__ == "__main__":
    sys.exit(main())
