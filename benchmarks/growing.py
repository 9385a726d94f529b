"""Growing tables against hashing: AUC, memory, the feed, a resumed training: `python -m benchmarks.growing`.

Rows have a known truth: each of `--ids` items has an effect of its own on a click, each of 1,000 groups of users
another one, and items are as frequent as Zipf's law has it. The model is a tower over both ids. It is trained with a
hash of `--ids / 20` buckets, with one of as many buckets as there are ids, and with a table that grows; AUC is of other
rows, and that of the truth is the most that any model can have. Seeds differ in the data too.

The feed is timed without the step, by processor time: reading, encoding, and finding rows where a batch is handed over.
A resumed training is one that is killed with SIGKILL again and again, and has to end with the bytes of one that was
left alone.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_CONFIG = """
train_input_path: "{folder}/train.parquet"
eval_input_path: "{folder}/eval.parquet"
model_dir: "{folder}/{name}"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.002 }} }} }} }}
  mixed_precision: FLOAT32
  log_step_count_steps: 1000000
  save_checkpoints_steps: {save_every}
}}
data_config {{
  input_type: ParquetInput batch_size: 1024 eval_batch_size: 8192 num_epochs: {epochs} shuffle: true
  label_fields: "click"
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "item" input_type: {kind} }}
  input_fields {{ input_name: "user" input_type: INT32 }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature embedding_dim: 16 {rows} }}
  features {{ input_names: "user" feature_type: IdFeature embedding_dim: 16 num_buckets: 1000 }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "user"] wide_deep: DEEP }}
  simple_multi_task {{
    task_towers {{ tower_name: "click" label_name: "click" metrics_set {{ auc {{ }} }} dnn {{ hidden_units: [32] }} }}
  }}
}}
"""
_USERS = 1000
_BYTES_OF_NUMBER = 4 * 3


def make_data(folder: Path, num_ids: int, num_rows: int, seed: int, as_text: bool) -> float:
    """Writes training and evaluation rows, and returns the AUC of the truth on the latter."""
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(seed)
    names = random.permutation(num_ids).astype(np.int64) * 7_919_000_017
    effects, of_users = random.normal(0, 1.5, num_ids), random.normal(0, 0.7, _USERS)
    shares = 1 / np.arange(1, num_ids + 1) ** 0.7
    best = 0.0
    for part, number in (("train", num_rows), ("eval", num_rows // 4)):
        items = random.choice(num_ids, number, p=shares / shares.sum())
        users = random.integers(0, _USERS, number)
        logits = effects[items] + of_users[users] - 1
        clicks = random.random(number) < 1 / (1 + np.exp(-logits))
        ids = pa.array(names[items])
        columns = {"click": pa.array(clicks, pa.int32()), "item": ids.cast(pa.string()) if as_text else ids}
        table = pa.table(columns | {"user": pa.array(users, pa.int32())})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=50_000)
        best = float(roc_auc_score(clicks, logits))
    return best


def config_of(folder: Path, name: str, rows: str, as_text: bool, epochs: int, save_every: int = 1_000_000) -> Path:
    """Writes a config and returns its path."""
    kind = "STRING" if as_text else "INT64"
    path = folder / f"{name}.config"
    path.write_text(
        _CONFIG.format(folder=folder, name=name, rows=rows, kind=kind, epochs=epochs, save_every=save_every)
    )
    return path


def ways(num_ids: int) -> dict[str, str]:
    """Returns what the item is looked up by, by name."""
    return {
        "hash of a 20th": f"hash_bucket_size: {num_ids // 20}",
        "hash of as many": f"hash_bucket_size: {num_ids}",
        "growing": f"growing {{ max_rows: {num_ids} }}",
        "growing, admit_after 3": f"growing {{ max_rows: {num_ids} admit_after: 3 }}",
    }


def quality(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Returns the AUC of each way, and that of the truth."""
    from easymtl.config import load_config
    from easymtl.training.trainer import Trainer

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["truth"] = make_data(folder, options.ids, options.rows, seed, options.text)
        for number, (way, rows) in enumerate(ways(options.ids).items()):
            path = config_of(folder, str(number), rows, options.text, options.epochs)
            trainer = Trainer(load_config(str(path)), lambda event: None)
            begin = time.perf_counter()
            result = trainer.run()
            found[way] = {"auc": result.metrics["auc_click"], "seconds": round(time.perf_counter() - begin, 1)}
            print(f"seed {seed}, {way}: {found[way]}", flush=True)
    return found


def memory(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Returns the MiB of weights and Adam's slots of each way, of the map, and of the map in a checkpoint."""
    from easymtl.features.growing.growing_ids import GrowingIds
    from easymtl.features.growing.map_memory import bytes_of_ids
    from easymtl.protos.feature_pb2 import Growing

    found = {}
    for way, rows in ways(options.ids).items():
        num_rows = options.ids // 20 if "20th" in way else options.ids
        found[way] = {"weights and slots": num_rows * 16 * _BYTES_OF_NUMBER / 2**20, "map": 0.0}
        if "growing" in rows:
            settings = Growing(max_rows=options.ids, admit_after=3 if "3" in way else 1)
            ids = GrowingIds(settings)
            ids.assign(np.tile(np.arange(options.ids), 3))
            ids.keep()
            saved = sum(array.nbytes for array in ids.arrays().values())
            found[way] |= {"map": bytes_of_ids(settings) / 2**20, "map in a checkpoint": saved / 2**20}
    return found


def feed(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Returns the rows a second of processor time of a pass without a step, each way's best of three, in turns."""
    from easymtl.config import load_config
    from easymtl.features.encoder import to_tensors
    from easymtl.tasks.ranker import Ranker
    from easymtl.training.inputs import TrainingInput

    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for as_text in (False, True):
            make_data(folder, options.ids, options.rows, 0, as_text)
            for _ in range(3):
                for number, (way, rows) in enumerate(ways(options.ids).items()):
                    pipeline = load_config(str(config_of(folder, str(number), rows, as_text, 1))).pipeline
                    ranker = Ranker(pipeline)
                    growing = ranker.feature_set.growing
                    placing, begin = 0.0, time.process_time()
                    with TrainingInput(pipeline, ranker, None).feed as batches:
                        for batch in batches:
                            handed = time.thread_time()
                            rows_of_batch = growing.assign(batch.rows)
                            growing.keep()
                            placing += time.thread_time() - handed
                            to_tensors(rows_of_batch)
                    seconds = time.process_time() - begin
                    key = f"{way}, {'texts' if as_text else 'numbers'}"
                    if seconds < options.rows / best.get(key, {"rows/s": 0.1})["rows/s"]:
                        best[key] = {"rows/s": options.rows / seconds, "of it, finding rows": placing / seconds}
    return best


def killed(options: argparse.Namespace) -> dict[str, Any]:
    """Kills a training at random points; returns how often, and whether it ended as an undisturbed one."""
    random = np.random.default_rng(5)
    rows = f"growing {{ max_rows: {options.ids // 3} admit_after: 2 expire_after_steps: 40 }}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, options.ids, 150_000, 1, True)
        left_alone, disturbed = (config_of(folder, one, rows, True, 1, 10) for one in ("alone", "killed"))
        subprocess.run(_train(left_alone), check=True, capture_output=True)
        kills = 0
        while kills < 8:
            process = subprocess.Popen(_train(disturbed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before = _newest(folder / "killed")
            limit = time.monotonic() + 120
            # Dead only when it has got somewhere, so that it ends.
            while process.poll() is None and _newest(folder / "killed") == before and time.monotonic() < limit:
                time.sleep(0.02)
            time.sleep(random.random() * 2)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        subprocess.run(_train(disturbed), check=True, capture_output=True)
        same = [one.tobytes() for one in _arrays(folder / "alone")] == [
            one.tobytes() for one in _arrays(folder / "killed")
        ]
        return {"kills": kills, "identical": same}


def _train(config: Path) -> list[str]:
    return [sys.executable, "-m", "easymtl", "train", "--pipeline_config", str(config)]


def _newest(model_dir: Path) -> str:
    return max((path.name for path in (model_dir / "checkpoints").glob("step-*")), default="")


def _arrays(model_dir: Path) -> Iterator[np.ndarray]:
    """Yields every weight, slot and array of the map of the newest checkpoint."""
    import tensorflow as tf

    folder = model_dir / "checkpoints" / _newest(model_dir)
    reader = tf.train.load_checkpoint(str(folder / "weights"))
    for tensor in sorted(reader.get_variable_to_shape_map()):
        yield reader.get_tensor(tensor)
    with np.load(folder / "growing.npz", allow_pickle=False) as archive:
        for entry in sorted(archive.files):
            yield archive[entry]


def main() -> None:
    """Measures, prints, and writes the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=40_000)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default="memory,killed,feed,quality", help="what is measured")
    parser.add_argument("--text", action="store_true", help="items are texts")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growing.json"))
    options = parser.parse_args()
    asked = {"ids": options.ids, "rows": options.rows, "epochs": options.epochs, "seeds": options.seeds}
    results: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    parts = {
        "memory": lambda: memory(options),
        "killed": lambda: killed(options),
        "feed": lambda: feed(options),
        "quality": lambda: [quality(options, seed) for seed in range(options.seeds)],
    }
    for part in options.parts.split(","):
        results[part] = {"asked": asked, "found": parts[part]()}
        print(part, json.dumps(results[part], indent=1), flush=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
