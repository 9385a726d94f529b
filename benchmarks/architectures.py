"""What each architecture costs at one size: dense parameters, and the time of a step over that of a shared bottom.

    python -m benchmarks.architectures [--rounds 25] [--batch 512]

Five tasks over 288 columns, experts or bottoms of [256, 128], towers of [64]; see `models`. A step is the forward and
backward pass of the network alone, in float32. The networks take turns; a ratio is the median of the rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

from google.protobuf import text_format

from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import view
from easymtl.errors import quoted
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline

if __name__ == "__main__":
    start_tensorflow()

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from easymtl.layers.context import Build, Call
from easymtl.models import MODELS
from easymtl.models.base import MultiTaskModel

TASKS = ("a", "b", "c", "d", "e")
GROUP_WIDTHS = {"all": 288, "scene": 64, "people": 64, **dict.fromkeys(TASKS, 160)}
BASE = "shared_bottom"
_EXPERT = "hidden_units: [256, 128]"
_LEVELS = ("hidden_units: [256]", "hidden_units: [128]")
_WARM_UP = 3


def models() -> dict[str, str]:
    """Returns the text of each architecture by name."""
    towers = _towers("hidden_units: [64]")
    deep = _towers("hidden_units: [256, 128, 64]")
    funnel = f'groups {{ input: "all" dnn {{ {_EXPERT} }} }} ' + " ".join(
        f'{tower} {{ tower_name: "{task}" dnn {{ hidden_units: [64] }} }}'
        for tower, task in (("ctr_tower", "a"), ("cvr_tower", "b"))
    )
    extraction = [
        f'extraction_networks {{ network_name: "level{index}" expert_num_per_task: 1 share_num: 1 '
        f"task_expert_net {{ {level} }} share_expert_net {{ {level} }} }}"
        for index, level in enumerate(_LEVELS)
    ]
    fusion = [f"fusion_levels {{ share_num: 1 expert_net {{ {level} }} }}" for level in _LEVELS]
    watch, mic = TASKS[:3], TASKS[3:]
    groups = " ".join(
        f'task_groups {{ group_name: "{name}" tower_names: [{quoted(tasks)}] }}'
        for name, tasks in (("watch", watch), ("mic", mic))
    )
    pair = f"task_expert_net {{ {_EXPERT} }} share_expert_net {{ {_EXPERT} }}"
    bodies = {
        "simple_multi_task": deep,
        BASE: f"bottom_dnn {{ {_EXPERT} }} {towers}",
        "dbmtl": f"bottom_dnn {{ {_EXPERT} }} {_towers('hidden_units: [64]', _relation)}",
        "aitm": f"bottom_dnn {{ {_EXPERT} }} {towers}",
        "omoe": f"expert_dnn {{ {_EXPERT} }} num_expert: 6 {towers}",
        "mmoe": f"expert_dnn {{ {_EXPERT} }} num_expert: 6 {towers}",
        "cgc": f"expert_num_per_task: 1 share_num: 1 {pair} {towers}",
        "ple": f"{' '.join(extraction)} {towers}",
        "adatt": f"{' '.join(fusion)} {towers}",
        "stem": f"{pair} {_towers('hidden_units: [64]', _own_group)}",
        "home": f"{groups} expert_dnn {{ hidden_units: [128] }} {towers}",
        "pepnet": f'domain_group: "scene" personal_group: "people" {deep}',
        "esmm": funnel,
        "escm2": f"counterfactual: DR {funnel}",
    }
    return {name: f"{name} {{ {body} }}" for name, body in bodies.items()}


def _towers(dnn: str, more: Callable[[int], str] = lambda index: "") -> str:
    return " ".join(
        f'task_towers {{ tower_name: "{task}" dnn {{ {dnn} }} {more(index)} }}' for index, task in enumerate(TASKS)
    )


def _relation(index: int) -> str:
    """Each tower reads the one before it."""
    reads = f'relation_tower_names: "{TASKS[index - 1]}"' if index else ""
    return f"{reads} relation_dnn {{ hidden_units: [32] }}"


def _own_group(index: int) -> str:
    return f'feature_group: "{TASKS[index]}"'


class Network:
    """An architecture on random groups.

    Attributes:
        num_parameters: trained ones.
    """

    def __init__(self, text: str, batch_size: int):
        config = text_format.Parse(text, ModelConfig())
        pipeline = Pipeline(model_config=config)
        build = Build()
        widths = {tower.tower_name: 1 for tower in view.task_towers(pipeline)}
        name, message = view.model_name(pipeline), view.model_message(pipeline)
        model = MODELS[name](build, message, GROUP_WIDTHS, widths)
        self.num_parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        self._groups = {name: tf.random.normal([batch_size, width]) for name, width in GROUP_WIDTHS.items()}
        self._step = _traced(model)
        for _ in range(_WARM_UP):
            self.seconds()

    def seconds(self) -> float:
        """Returns the seconds of a step."""
        begin = time.perf_counter()
        self._step(self._groups)[0].numpy()
        return time.perf_counter() - begin


def _traced(model: MultiTaskModel) -> Callable[[dict[str, tf.Tensor]], Sequence[tf.Tensor]]:
    """Returns the forward and backward pass; embeddings below would want the gradient of the groups, too."""
    variables = list(model.trainable_variables)

    @tf.function(autograph=False)
    def step(groups: dict[str, tf.Tensor]) -> Sequence[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(groups)
            logits = model(groups, Call(training=True, seed=tf.constant([0, 1], tf.int64)))
            loss = tf.add_n([tf.reduce_mean(tf.square(value)) for value in logits.values()])
        none = tf.UnconnectedGradients.ZERO
        return tape.gradient(loss, [*variables, *groups.values()], unconnected_gradients=none)

    return step


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--batch", type=int, default=512)
    options = parser.parse_args(arguments)
    networks = {name: Network(text, options.batch) for name, text in models().items()}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(options.rounds):
        for name, network in networks.items():
            seconds[name].append(network.seconds())
    table = Table("model", "dense parameters", f"step over {BASE}")
    for name, network in networks.items():
        ratios = [own / base for own, base in zip(seconds[name], seconds[BASE])]
        spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        table.add_row(name, f"{network.num_parameters:,}", spread)
    Console().print(table)


if __name__ == "__main__":
    main()
