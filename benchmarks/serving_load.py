"""How `easymtl serve` stands many clients: latency, batching against none, and a version that is swapped meanwhile.

    python -m benchmarks.serving_load [NAME] [--clients 50] [--seconds 60] [--rounds 3] [--protocols rest grpc] [--fuzz]

A sample config trains for a few steps and is exported. `easymtl serve` runs in a process of its own on this machine;
each client sends one row at a time and waits for its answer. Two parts for each protocol:
  swap      all clients for `--seconds`; halfway, version 2 is renamed into the folder. No request may fail
  batching  the same with and without batches (`--max_batch_rows 1`), in turns: throughput and its ratio, and the
            processor's milliseconds of the server for each request, which other work on the machine disturbs less
With `--fuzz` there is another part instead: rounds of 500 spoiled requests, and the server's memory after each. It ends
with 1 if that grows, or if one is answered as the server's fault.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import serving_fuzz
from benchmarks.latency import export_sample
from benchmarks.sample_data import sample_name
from benchmarks.serving_clients import Load, grpc_body, rest_body, run_clients

RESULTS = Path(__file__).parent / "results" / "serving_load.json"
_STRETCH = 8.0
_WARM_UP = 1.0
_REQUESTS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and writes all of it as JSON; returns the exit code."""
    options = _options(arguments)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sample = export_sample(options.name, folder / "sample")
        rows = pq.read_table(sample["rows"]).slice(0, _REQUESTS).to_pylist()
        for protocol in options.protocols:
            bodies = [rest_body(row) if protocol == "rest" else grpc_body(row, sample) for row in rows]
            if options.fuzz:
                found[protocol] = measure_fuzz(Path(sample["export"]), folder / protocol, protocol, rows, bodies)
                print(serving_fuzz.text_of(protocol, found[protocol]), flush=True)
                continue
            swap = measure_swap(Path(sample["export"]), folder / f"swap_{protocol}", protocol, bodies, options)
            ratio = measure_batching(Path(sample["export"]), folder / f"one_{protocol}", protocol, bodies, options)
            found[protocol] = {"swap": swap, "batching": ratio}
            print(text_of(protocol, options.clients, found[protocol]))
    if options.fuzz:
        grown = [serving_fuzz.growth(one["resident"]) for one in found.values()]
        return int(any(one > serving_fuzz.MOST_GROWTH for one in grown))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({options.name: found}, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")
    return 0


def measure_fuzz(
    export: Path, folder: Path, protocol: str, rows: Sequence[dict[str, Any]], bodies: Sequence[bytes]
) -> dict[str, Any]:
    """Returns how often each code was the answer to spoiled requests, and the server's memory after each round."""
    shutil.copytree(export, folder / "1")
    dice, codes, resident = random.Random(0), Counter[str](), []
    with server(folder, protocol) as (port, process):
        for _ in range(serving_fuzz.ROUNDS + 1):
            if protocol == "rest":
                codes += asyncio.run(serving_fuzz.send_rest(port, serving_fuzz.json_bodies(dice, rows)))
            else:
                codes += asyncio.run(serving_fuzz.send_grpc(port, serving_fuzz.messages(dice, bodies)))
            resident.append(serving_fuzz.resident_bytes(process))
    return {"codes": dict(codes), "resident": resident}


def measure_swap(export: Path, folder: Path, protocol: str, bodies: Sequence[bytes], options) -> dict[str, Any]:
    """Returns the figures of a load during which a second version takes over."""
    shutil.copytree(export, folder / "1")
    draft = shutil.copytree(export, folder.with_name(folder.name + "_draft"))

    async def run() -> Load:
        load = Load()
        clients = asyncio.create_task(run_clients(port, protocol, bodies, options.clients, options.seconds, load))
        await asyncio.sleep(options.seconds / 2)
        draft.rename(folder / "2")
        await clients
        return load

    with server(folder, protocol) as (port, _):
        load = asyncio.run(run())
    figures = load.figures(_WARM_UP)
    return figures | {"failed": len(load.failed), "told": load.failed[:3], "versions": sorted(load.versions)}


def measure_batching(export: Path, folder: Path, protocol: str, bodies: Sequence[bytes], options) -> dict[str, Any]:
    """Returns the figures of the same load with batches and without; the two servers take turns."""
    shutil.copytree(export, folder / "1")
    rounds: list[dict[str, dict[str, float]]] = []
    flags = {"batches": [], "none": ["--max_batch_rows", "1"]}
    with server(folder, protocol) as batches, server(folder, protocol, *flags["none"]) as none:
        for _ in range(options.rounds):
            one: dict[str, dict[str, float]] = {}
            for name, (port, process) in (("batches", batches), ("none", none)):
                load, before = Load(), processor_seconds(process)
                asyncio.run(run_clients(port, protocol, bodies, options.clients, _STRETCH, load))
                if load.failed:
                    raise SystemExit(f"{len(load.failed)} requests failed: {load.failed[0]}")
                spent = (processor_seconds(process) - before) / len(load.seconds)
                one[name] = load.figures(_WARM_UP) | {"processor": spent * 1e3}
            rounds.append(one)
    ratios = [one["batches"]["rate"] / one["none"]["rate"] for one in rounds]
    cheaper = [one["none"]["processor"] / one["batches"]["processor"] for one in rounds]
    return {"rounds": rounds, "ratio": float(np.median(ratios)), "cheaper": float(np.median(cheaper))}


def processor_seconds(process: int) -> float:
    """Returns what a process has had of the processor, over all threads."""
    words = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(folder: Path, protocol: str, *flags: str) -> Iterator[tuple[int, int]]:
    """Gives port and process of `easymtl serve`, which ends with the block."""
    command = [sys.executable, "-m", "easymtl", "serve", str(folder), "--rest_port", "0", "--grpc_port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("curl "):
                break
        else:
            raise SystemExit(f"{' '.join(command)} did not start.")
        text = "".join(said)
        pattern = r"REST +http://[^:]+:(\d+)" if protocol == "rest" else r"gRPC +[^:]+:(\d+)"
        yield int(re.search(pattern, text)[1]), process.pid
    finally:
        process.terminate()
        process.wait()


def text_of(protocol: str, clients: int, found: Mapping[str, Any]) -> str:
    """Returns what was measured, in lines."""
    swap, batching = found["swap"], found["batching"]
    lines = [
        f"{protocol}, {clients} clients, one row a request",
        f"  swap       {swap['requests']:,} requests, {swap['failed']} failed, {swap['rate']:.0f}/s, "
        f"p50 {swap['p50']:.0f} ms, p99 {swap['p99']:.0f} ms",
        *(f"             {told}" for told in swap["told"]),
    ]
    for one in batching["rounds"]:
        told = [_told(name, figures) for name, figures in one.items()]
        lines.append(f"  batching   {'; '.join(told)}")
    last = f"{batching['ratio']:.1f} times the requests of none, {batching['cheaper']:.1f} times less of the processor"
    return "\n".join([*lines, f"  batching   {last}"])


def _told(name: str, figures: Mapping[str, float]) -> str:
    times = "p50 {p50:.0f} ms, p99 {p99:.0f} ms, {processor:.2f} ms of the processor each".format(**figures)
    return f"{name} {figures['rate']:.0f}/s, {times}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", type=sample_name, default="dbmtl_on_livestream", help="a sample config"
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the load with a swap")
    parser.add_argument("--rounds", type=int, default=3, help="of batching against none")
    parser.add_argument("--protocols", nargs="+", choices=["rest", "grpc"], default=["rest", "grpc"])
    parser.add_argument("--fuzz", action="store_true", help="spoiled requests, and memory, in place of the load")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
