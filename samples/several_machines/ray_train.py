"""Trains a config with several workers that Ray starts: the command line of easymtl in each of them.

    pip install 'ray[train]'
    python samples/several_machines/ray_train.py rank.config --workers 4 --cpus 8

Ray gives each worker its TF_CONFIG, and starts all of them anew when one is lost: they go on from the newest
checkpoint. Config, data and model_dir have to be where all nodes find them under the same path.
"""

import argparse
import os
import sys

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

USER_ERROR = 2


def train(settings: dict) -> None:
    """Runs in each worker: the command, in this process, so that it ends with it."""
    from easymtl.cli import main

    # Ray has put the worker into a folder of its own.
    os.chdir(settings["folder"])
    # TensorFlow would take all cores of the machine; OMP_NUM_THREADS, which Arrow goes by, is set by Ray.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(settings["cpus"]))
    code = main(["train", *settings["arguments"]])
    if code:
        # A mistake in the config is the same the next time, and Ray cannot tell: it is in the log of the worker.
        why = "a mistake in the command, config or data" if code == USER_ERROR else "see the log of the worker"
        raise RuntimeError(f"easymtl train ended with exit code {code}: {why}")


def run(arguments: list[str], workers: int, cpus: int, restarts: int, use_gpu: bool, storage: str | None) -> None:
    """Trains, and returns when all workers have done so.

    Args:
        arguments: of `easymtl train`.
        workers: how many.
        cpus: cores of each; Ray puts as many workers on a machine as it has cores for.
        restarts: how often all start anew when one is lost.
        use_gpu: whether each has a GPU.
        storage: a folder that all nodes share, for what Ray writes.
    """
    trainer = TensorflowTrainer(
        train,
        train_loop_config={"arguments": arguments, "folder": os.getcwd(), "cpus": cpus},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker={"CPU": cpus}),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=restarts), storage_path=storage),
    )
    trainer.fit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=1, help="cores of each worker")
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--gpu", action="store_true", help="one for each worker")
    parser.add_argument("--storage", help="a folder that all nodes share, for what Ray writes")
    options, left = parser.parse_known_args()
    ray.init()
    run(left, options.workers, options.cpus, options.restarts, options.gpu, options.storage)
    sys.exit(0)
