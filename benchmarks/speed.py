"""How fast training is, beside the processor's limit and other libraries: `make bench`.

    python -m benchmarks.speed [--only taobao_dbmtl,...] [--rounds 3] [--seconds 8] [--peers FOLDER]
    python -m benchmarks.speed --table benchmarks/results/speed.json         its tables as Markdown, without measuring

For each workload (benchmarks/workloads.py), round by round and in turn, so that all meet the same machine:
  products      the matrix products of the network, forward and backward, and nothing else: the limit
  roofline      the same and the bytes that no order of kernels can avoid, at the rate of the memory
  step          the update on one batch, without reading
  training      `easymtl train` from files, parsing included
  evaluation    in the precision of training; prediction in float32
  peers         the same network in DeepCTR and torch-rechub on arrays in memory, with `--peers`
and once: seconds to the first step of a new process, and its peak memory. Then what grows with the vocabulary and with
experts, and how long commands take. A ratio is the median of the rounds, with its range. Nothing runs beside what is
measured, and each workload has a process of its own. Everything goes into a JSON file.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.tables import markdown

_TABLES_ONLY = "--table"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the tables, and writes all of it as JSON."""
    options = _options(arguments)
    if options.table:
        print(markdown(json.loads(Path(options.table).read_text(encoding="utf-8"))))
        return
    begin = time.time() - options.elapsed
    found = _measured(options, begin, lambda text: print(f"[{_clock(time.time() - begin)}] {text}", flush=True))
    found["machine"]["seconds"] = time.time() - begin
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if not options.part:
        print(f"\n{markdown(found)}\nWritten to {options.out}")


def _measured(options: argparse.Namespace, begin: float, tell: Callable[[str], None]) -> dict:
    if options.part:
        from benchmarks.suite import measure_part

        return measure_part(options, tell)
    from benchmarks.parts import measure_parts

    return measure_parts(options, begin, tell)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of workloads or other parts, with commas; all if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one stretch of training, at most")
    parser.add_argument("--large_rows", type=int, default=20_000_000, help="of the tables with a large vocabulary")
    parser.add_argument("--peers", default="", help="folder of the other libraries' environments, made if needed")
    parser.add_argument("--part", default="", help="measure this one in this process, as a run does it for each")
    parser.add_argument("--data", default="", help="of a part: folder of the data sets, made where they are not there")
    parser.add_argument("--elapsed", type=float, default=0.0, help="of a part: seconds since the run began")
    parser.add_argument("--out", default="benchmarks/results/speed.json")
    parser.add_argument(_TABLES_ONLY, default="", metavar="JSON", help="print the tables of an earlier run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
