"""Files that tell TensorFlow Serving what to load and how to gather requests."""

import re
from collections.abc import Collection
from pathlib import Path

from easymtl.checkpoints.publishing import write_text
from easymtl.protos.pipeline_pb2 import Pipeline

MODELS, BATCHING = "models.config", "batching.config"
_LARGEST_BATCH = 256


def served_name(pipeline: Pipeline) -> str:
    """Returns the name under which a model is served: that of its model_dir, of letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", Path(pipeline.model_dir).resolve().name).strip("_") or "model"


def models_config(name: str) -> str:
    """Returns what `--model_config_file` of TensorFlow Serving reads.

    Two versions stay loaded, so that one can go back to the older one.
    """
    return f"""\
# What TensorFlow Serving loads: the two newest versions of the model. Copy this file and {BATCHING} to the
# folder that holds the versions, and there:
#   docker run -p 8500:8500 -p 8501:8501 -v "$PWD:/models/{name}" tensorflow/serving \\
#     --model_config_file=/models/{name}/{MODELS} \\
#     --enable_batching --batching_parameters_file=/models/{name}/{BATCHING}
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 2 }} }}
  }}
}}
"""


def batching_config(num_rows: int | None, lists: Collection[str]) -> str:
    """Returns what `--batching_parameters_file` of TensorFlow Serving reads.

    Args:
        num_rows: rows that each request has to have; None for any number.
        lists: inputs that are `[rows, values]`.
    """
    notes = ""
    if num_rows is not None:
        notes = f"# The model takes {num_rows} rows at a time: smaller requests are filled up.\n"
    if lists:
        notes += (
            f"# Lists of values ({', '.join(lists)}) have to be of one width for requests to be gathered: let all\n"
            "# clients pad them to the same. pad_variable_length_inputs would pad with the first value, which counts.\n"
        )
    size = num_rows or _LARGEST_BATCH
    allowed = f"allowed_batch_sizes: {size}\n" if num_rows else ""
    return f"""\
# How TensorFlow Serving gathers requests that come at the same time; sizes are numbers of rows.
{notes}# No request waits for others (timeout 0): what came while the threads were busy is the next batch.
# num_batch_threads: the processors of the machine. max_enqueued_batches: more are answered UNAVAILABLE.
max_batch_size {{ value: {size} }}
{allowed}batch_timeout_micros {{ value: 0 }}
num_batch_threads {{ value: 4 }}
max_enqueued_batches {{ value: 100 }}
"""


def write_configs(extra: Path, name: str, num_rows: int | None, lists: Collection[str]) -> None:
    """Writes the files.

    They are no neighbours of the versions: whoever looks for the newest of these finds nothing else.

    Args:
        extra: the folder `assets.extra` of a version.
        name: of the model.
        num_rows: rows that each request has to have; None for any number.
        lists: inputs that are `[rows, values]`.
    """
    write_text(extra / MODELS, models_config(name))
    write_text(extra / BATCHING, batching_config(num_rows, lists))
