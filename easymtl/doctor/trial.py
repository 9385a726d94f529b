"""What a process of its own does for `easymtl doctor`: it imports TensorFlow, and trains on made-up rows.

    python -m easymtl.doctor.trial SECONDS

Each stage that is over is one JSON object, a line of standard output. What breaks it, a crash in native code too,
leaves the later lines out.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

_CONFIG = """
model_dir: "{folder}"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.001 }} }} }} }}
  num_steps: 1000000
  save_checkpoints_steps: 0
  save_summary_steps: 0
  log_step_count_steps: 10
  mixed_precision: FLOAT32
}}
data_config {{
  input_type: DummyInput
  batch_size: 1024
  label_fields: ["click", "like"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "like" input_type: INT32 }}
  input_fields {{ input_name: "user" input_type: STRING }}
  input_fields {{ input_name: "price" input_type: FLOAT }}
}}
feature_config {{
  features {{ input_names: "user" feature_type: IdFeature hash_bucket_size: 10000 embedding_dim: 16 }}
  features {{ input_names: "price" feature_type: RawFeature }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["user", "price"] wide_deep: DEEP }}
  mmoe {{
    expert_dnn {{ hidden_units: [64, 32] }}
    num_expert: 2
    task_towers {{ tower_name: "click" label_name: "click" dnn {{ hidden_units: [16] }} }}
    task_towers {{ tower_name: "like" label_name: "like" dnn {{ hidden_units: [16] }} }}
  }}
}}
export_config {{ exporter_type: "none" }}
"""


def main(seconds: float) -> None:
    """Imports TensorFlow, tells of its devices, and trains for some seconds; 0 trains nothing."""
    begin = time.perf_counter()
    import tensorflow as tf

    _tell("import", version=tf.__version__, seconds=time.perf_counter() - begin)
    names = [_name(device) for device in tf.config.list_physical_devices("GPU")]
    _tell("devices", is_built_with_cuda=tf.test.is_built_with_cuda(), gpus=names)
    if seconds > 0:
        with tempfile.TemporaryDirectory(prefix="easymtl-doctor-") as folder:
            _tell("training", **_train(Path(folder), seconds))


def _name(device) -> str:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(device)
    return str(details.get("device_name", device.name))


def _train(folder: Path, seconds: float) -> dict[str, float]:
    """Trains until some seconds are over, saves a checkpoint, and returns steps, speed and loss."""
    from easymtl.config import load_config
    from easymtl.training.events import Progress
    from easymtl.training.trainer import Trainer

    path = folder / "doctor.config"
    path.write_text(_CONFIG.format(folder=(folder / "model").as_posix()), encoding="utf-8")
    last: list[Progress] = []
    end = time.perf_counter() + seconds
    # A first report has to come, however slow the machine is: the loss is in it.
    trainer = Trainer(
        load_config(str(path)),
        lambda event: last.append(event) if isinstance(event, Progress) else None,
        lambda: bool(last) and time.perf_counter() > end,
    )
    result = trainer.run()
    return {"steps": result.step, "examples_per_second": last[-1].examples_per_second, "loss": last[-1].losses["loss"]}


def _tell(stage: str, **values: object) -> None:
    print(json.dumps({"stage": stage, **values}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(float(sys.argv[1]))
