"""Faults of two workers, each with a part of the tables, that write checkpoints together beside their steps."""

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

from easymtl.errors import EXIT_PEER_LOST
from easymtl.launch.ports import Ports
from easymtl.peers.cluster import VARIABLE, Cluster
from tests.faults import injection
from tests.faults.project import SHORT, Project, Result
from tests.faults.runs import Run, differences, state_of_training

_WORKERS = 2
_TOGETHER = (
    *SHORT,
    "train_config.table_sharding=SHARDED",
    "train_config.checkpoint_deltas={ full_every: 2 min_table_bytes: 0 }",
    "feature_config.features[0].hash_bucket_size=400",
)
_EXPECTED: dict[int, tuple[dict[str, str], list[int]]] = {}


def killed_saving(project: Project, chance: random.Random, number: int) -> Result:
    """Kills one of the two at the n-th operation on files of checkpoints, in whatever thread, and trains on."""
    expected, counts = _undisturbed(project)
    killed = number % _WORKERS
    order = list(range(counts[killed]))
    random.Random(killed).shuffle(order)
    place = order[number // _WORKERS % len(order)]
    model_dir = project.model_dir()
    prepare: list[injection.Prepare | None] = [None] * _WORKERS
    prepare[killed] = injection.killed_at(place, model_dir / "checkpoints")
    runs = _train(project, model_dir, prepare)
    problems = [] if runs[killed].code == -signal.SIGKILL else [f"it was not killed: exit code {runs[killed].code}"]
    other = runs[1 - killed]
    if other.code != EXIT_PEER_LOST or f"worker {killed}" not in other.text or "Traceback" in other.text:
        problems.append(f"the other one: exit code {other.code}: {other.text[-300:]}")
    left = sum(1 for _ in (model_dir / "checkpoints").glob(".writing-*"))
    problems += [
        f"the rerun ended with exit code {run.code}: {run.text[-300:]}"
        for run in _train(project, model_dir, [None] * _WORKERS)
        if run.code
    ]
    problems += [f"{name} differs" for name in differences(expected, state_of_training(model_dir))]
    problems += [f"{path.name} was left" for path in model_dir.rglob(".writing-*")]
    return Result(1, problems, f"worker {killed}, operation {place}, {left} half written, none taken for whole")


def _undisturbed(project: Project) -> tuple[dict[str, str], list[int]]:
    """Returns what an undisturbed training leaves, and how many operations each worker makes on its checkpoints."""
    if id(project) not in _EXPECTED:
        model_dir, counts = project.model_dir(), [project.folder / f"together-{index}" for index in range(_WORKERS)]
        runs = _train(project, model_dir, [injection.counting(model_dir / "checkpoints", count) for count in counts])
        assert not any(run.code for run in runs), [run.text[-2000:] for run in runs]
        _EXPECTED[id(project)] = state_of_training(model_dir), [count.stat().st_size for count in counts]
    return _EXPECTED[id(project)]


def _train(project: Project, model_dir: Path, prepare: Sequence[injection.Prepare | None]) -> list[Run]:
    """Returns what has become of both workers."""
    with Ports(_WORKERS) as ports:
        runs = [
            project.run(
                "train",
                *_TOGETHER,
                f"model_dir={model_dir}",
                prepare=_as_worker(Cluster(index, _WORKERS, ports.addresses), one),
            )
            for index, one in enumerate(prepare)
        ]
        for run in runs:
            run.wait()
            run.kill()
    return runs


def _as_worker(cluster: Cluster, prepare: injection.Prepare | None) -> injection.Prepare:
    def become() -> None:
        os.environ[VARIABLE] = cluster.tf_config()
        if prepare:
            prepare()

    return become
