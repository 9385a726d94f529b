"""What a config builds: the layers with their sizes, the tables, the memory that training takes."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console

from easymtl.config import view
from easymtl.features.kinds import KINDS, PlainColumns, StepColumns
from easymtl.layers.context import Parameter
from easymtl.models.over_backbone import OverBackbone
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.block_graph import print_graph
from easymtl.reporting.formats import bytes_text, counted
from easymtl.reporting.names import split_result
from easymtl.reporting.tables import key_values, print_table
from easymtl.reporting.terminal import open_terminal, print_line
from easymtl.tasks.ranker import Ranker
from easymtl.training.update_rules import UPDATE_RULES, UpdateRule

_FLOAT_BYTES = 4
_LAYER = re.compile(r"/(dnn_\d+|layer_\d+(?=/(dense|bn|act)(/|$))|bn|dice|prelu)(/|$)")
_REPEATED = re.compile(r"^(?P<kind>dnn_output|.+[/_](?:expert|gate))_\d+(?P<rest>/.+)?$")


@dataclass
class Module:
    """Some layers in a row, or several equal ones side by side.

    Attributes:
        name: the path of its parameters, a star for the number of equal ones: `mmoe/expert_*`.
        widths: of its input, and of the output of each layer.
        num_trained: trained numbers, of all copies.
        num_fixed: moving statistics, of all copies.
        members: names of the equal ones.
    """

    name: str
    widths: list[int] = field(default_factory=list)
    num_trained: int = 0
    num_fixed: int = 0
    members: list[str] = field(default_factory=list)


def module_name(parameter: str) -> str:
    """Returns the module of a parameter: `mmoe/expert_0` of `mmoe/expert_0/dnn_1/bn/gamma`."""
    path, _, _ = parameter.rpartition("/")
    layer = _LAYER.search(path)
    return path[: layer.start()] if layer else path


def modules_of(parameters: Iterable[Parameter]) -> list[Module]:
    """Returns the modules in the order of their parameters, equal ones as one."""
    modules: dict[str, Module] = {}
    for parameter in parameters:
        name = module_name(parameter.name)
        module = modules.setdefault(name, Module(name, members=[name]))
        size = math.prod(parameter.shape)
        if parameter.variable.trainable:
            module.num_trained += size
        else:
            module.num_fixed += size
        if parameter.name.endswith("/kernel") and len(parameter.shape) == 2:
            num_inputs, num_outputs = parameter.shape
            module.widths += [num_outputs] if module.widths else [num_inputs, num_outputs]
    return _joined(modules.values())


def _joined(modules: Iterable[Module]) -> list[Module]:
    """Returns the modules, those that differ in nothing but the number behind their name put together."""
    joined: dict[tuple, Module] = {}
    for module in modules:
        name = _REPEATED.sub(r"\g<kind>_*\g<rest>", module.name)
        key = (name, *module.widths) if name != module.name else (module.name,)
        if key not in joined:
            joined[key] = module
            continue
        same = joined[key]
        same.name = name
        same.members += module.members
        same.num_trained += module.num_trained
        same.num_fixed += module.num_fixed
    return list(joined.values())


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds all the time, beside activations and the input.

    Attributes:
        weights: of all parameters.
        slots: of the optimizers, moving averages of the weights among them.
        gradients: of dense variables, and of tables when their optimizer moves every row.
    """

    weights: int
    slots: int
    gradients: int

    @property
    def total(self) -> int:
        """Returns the sum."""
        return self.weights + self.slots + self.gradients


def training_memory(ranker: Ranker, pipeline: Pipeline) -> Memory:
    """Returns what training a model takes with the optimizers of its config."""
    num_dense = sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    num_embedding = sum(table.rows * table.width for table in ranker.feature_set.tables)
    num_all = sum(math.prod(parameter.shape) for parameter in ranker.parameters.values())
    configs = pipeline.train_config.optimizer_config
    of_tables, of_dense = _rule(configs[0]), _rule(configs[-1])
    kept_of_dense = len(of_dense.slots) + configs[-1].use_moving_average
    kept_of_tables = len(of_tables.slots) + configs[0].use_moving_average
    num_slots = num_dense * kept_of_dense + num_embedding * kept_of_tables
    num_gradients = num_dense + (num_embedding if of_tables.moves_untouched_rows else 0)
    return Memory(num_all * _FLOAT_BYTES, num_slots * _FLOAT_BYTES, num_gradients * _FLOAT_BYTES)


def _rule(config) -> UpdateRule:
    kind = config.WhichOneof("optimizer")
    return UPDATE_RULES[kind](getattr(config, kind))


def print_network(ranker: Ranker, pipeline: Pipeline, terminal: Console | None = None) -> None:
    """Prints a built model: inputs, tables, block graph, layers, tasks, totals."""
    terminal = terminal or open_terminal()
    _print_inputs(ranker, terminal)
    _print_tables(ranker, terminal)
    if isinstance(ranker.model, OverBackbone):
        print_graph(ranker.model.backbone.plan, terminal)
    _print_modules(ranker, terminal)
    _print_tasks(ranker, pipeline, terminal)
    _print_totals(ranker, pipeline, terminal)


def _print_inputs(ranker: Ranker, terminal: Console) -> None:
    rows = []
    labels = [kind.label for kind in KINDS.values()]
    used = {slot.columns.label for slot in ranker.feature_set.slots}
    rare = (StepColumns.label, PlainColumns.label)
    shown = [label for label in labels if label in used or label not in rare]
    for group, slots in ranker.feature_set.groups.items():
        counts = [sum(slot.columns.label == label for slot in slots.all) for label in shown]
        rows.append([group, *map(str, counts), str(ranker.network.shapes[group])])
    print_table(terminal, ["feature group", *shown, "width"], rows)


def _print_tables(ranker: Ranker, terminal: Console) -> None:
    users: dict[str, list[str]] = {}
    for slot in ranker.feature_set.slots:
        if slot.table:
            users.setdefault(slot.table.name, []).append(f"{slot.group}/{slot.feature}")
    is_shared = any(features != [table] for table, features in users.items())
    headers = ["table", *(["features"] if is_shared else []), "rows x width", "size"]
    rows = []
    for table in sorted(ranker.feature_set.tables, key=lambda table: -table.rows * table.width):
        features = [", ".join(users[table.name])] if is_shared else []
        size = bytes_text(table.rows * table.width * _FLOAT_BYTES)
        grows = ", grows" if table.ids else ""
        rows.append([table.name, *features, f"{table.rows:,} x {table.width}{grows}", size])
    if rows:
        print_line(terminal, "")
        print_table(terminal, headers, rows, num_left=len(headers) - 2)


def _print_modules(ranker: Ranker, terminal: Console) -> None:
    tables = ranker.embeddings.parameters()
    rows = []
    for module in modules_of(p for name, p in ranker.parameters.items() if name not in tables):
        copies = str(len(module.members)) if len(module.members) > 1 else ""
        rows.append([module.name, " > ".join(map(str, module.widths)), copies, f"{module.num_trained:,}"])
    print_line(terminal, "")
    print_table(terminal, ["layers", "widths", "copies", "parameters"], rows, num_left=2)


def _print_tasks(ranker: Ranker, pipeline: Pipeline, terminal: Console) -> None:
    towers = {tower.tower_name: tower for tower in view.task_towers(pipeline)}
    related = {name: getattr(tower, "relation_tower_names", ()) for name, tower in towers.items()}
    has_relations = any(related.values())
    headers = ["task", "label", "predicts", "losses", *(["reads the towers"] if has_relations else [])]
    rows = []
    for task in ranker.tasks:
        losses = ", ".join(split_result(name, towers)[0] for name in task.loss_names)
        row = [task.name, task.label, task.predicted, losses]
        rows.append([*row, ", ".join([task.name, *related[task.name]])] if has_relations else row)
    print_line(terminal, "")
    print_table(terminal, headers, rows, num_left=len(headers))


def _print_totals(ranker: Ranker, pipeline: Pipeline, terminal: Console) -> None:
    num_dense = sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    num_embedding = sum(table.rows * table.width for table in ranker.feature_set.tables)
    memory = training_memory(ranker, pipeline)
    print_line(terminal, "")
    key_values(
        {
            "dense parameters": num_dense,
            "embedding parameters": f"{num_embedding:,} in {counted(len(ranker.feature_set.tables), 'table')}",
            "weights": bytes_text(memory.weights),
            "optimizer slots": bytes_text(memory.slots),
            "gradients": bytes_text(memory.gradients),
            "memory of training": f"{bytes_text(memory.total)}, and activations and input on top",
        },
        terminal,
    )
