"""`--tasks click,like`: the config with those towers alone, as if it had been written so.

What belongs to the other towers goes with them: their label names, metrics and losses, the feature groups that only
they read, the final scores that read them, and their places in `task_groups`, `kd` and the floors of `pareto`. Fields
that a kept tower reads stay, whoever learns them: the label fields are left as they are. A kept tower that depends on
one that is left out is a problem.
"""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.block_graph import graph_of
from easymtl.config.final_scores import without_towers
from easymtl.config.names import INPUT_GROUP
from easymtl.config.problems import SET_POSITION, Findings, Problem
from easymtl.config.rules.groups import group_references
from easymtl.config.rules.review import walk
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

_FLAG = "--tasks"
_PREDICTIONS = ("logits", "probs", "y")


def select_tasks(pipeline: Pipeline, tasks: Sequence[str], findings: Findings) -> None:
    """Leaves only the named towers in a config; what is wrong is added to `findings.problems`.

    Args:
        pipeline: is changed in place; a config without a model, and one that has problems here, is left as it is.
        tasks: names of towers, in any order; the towers keep that of the config.
        findings: their places move along with the fields.
    """
    if findings.is_broken or not view.model_name(pipeline):
        return
    problems = _Selection(pipeline, set(tasks), findings).apply()
    findings.problems.extend(problems)


class _Selection:
    def __init__(self, pipeline: Pipeline, tasks: set[str], findings: Findings):
        self._pipeline = pipeline
        self._tasks = tasks
        self._findings = findings
        self._towers = view.task_towers(pipeline)
        self._names = [tower.tower_name for tower in self._towers]
        self._path = f"model_config.{view.model_name(pipeline)}"

    def apply(self) -> list[Problem]:
        problems = self._refusals() or [*self._label_problems(), *self._dependencies(), *self._best_metric()]
        if not problems:
            self._name_labels()
            self._drop()
        return problems

    def _refusals(self) -> list[Problem]:
        """Returns what is wrong with the names themselves, or with choosing from this model."""
        if "task_towers" not in view.model_message(self._pipeline).DESCRIPTOR.fields_by_name:
            name = view.model_name(self._pipeline)
            text = f"cannot take one tower of {name}: its two towers are one model. Leave out --tasks."
            return [self._of_flag(text)]
        if not self._tasks:
            return [self._of_flag(f"names no tower; the towers are {quoted(self._names)}.")]
        unknown = sorted(self._tasks - set(self._names))
        return [
            self._of_flag(f'"{name}" is not in the towers ({quoted(self._names)}).{did_you_mean(name, self._names)}')
            for name in unknown
        ]

    def _label_problems(self) -> list[Problem]:
        """A tower without a label must not get another one because it moves up."""
        labels = self._pipeline.data_config.label_fields
        return [
            self._at(
                self._tower_path(index),
                f"has no label_name, and data_config.label_fields has no label for place {index}: ({quoted(labels)}).",
            )
            for index, tower in enumerate(self._towers)
            if self._is_kept(tower) and not tower.label_name and index >= len(labels)
        ]

    def _dependencies(self) -> list[Problem]:
        """Returns a problem for each tower that is left out and that a kept one depends on."""
        return [
            self._at(f"{self._tower_path(index)}.{field}", self._missing(tower.tower_name, name))
            for index, tower in enumerate(self._towers)
            for field, name in _needs(tower).items()
            if self._is_kept(tower) and name in self._names and name not in self._tasks
        ]

    def _missing(self, tower: str, name: str) -> str:
        """Says what a tower lacks, and which choice has that and all that it needs in turn."""
        needs = {tower.tower_name: set(_needs(tower).values()) for tower in self._towers}
        wanted: set[str] = set()
        waiting = set(self._tasks)
        while waiting:
            wanted |= waiting
            waiting = {needed for name in waiting for needed in needs.get(name, ())} - wanted
        choice = ",".join(name for name in self._names if name in wanted)
        return f'the tower "{tower}" needs "{name}", which --tasks leaves out. Use --tasks {choice}.'

    def _best_metric(self) -> list[Problem]:
        """Returns a problem when the best export is chosen by a metric of a tower that is left out."""
        name = self._pipeline.export_config.best_exporter_metric
        towers = [tower for tower in self._towers if not self._is_kept(tower)]
        owner = next((tower.tower_name for tower in towers if name in view.results_of_tower(tower)), None)
        if owner is None:
            return []
        kept = [tower for tower in self._towers if self._is_kept(tower)]
        known = [*(result for tower in kept for result in view.results_of_tower(tower)), *view.LOSS_NAMES]
        path = "export_config.best_exporter_metric"
        text = f'"{name}" is of the tower "{owner}", which --tasks leaves out. Use one of {quoted(known)}'
        return [self._at(path, f"{path} {text}: --set {path}={known[0]}.")]

    def _name_labels(self) -> None:
        for index, tower in enumerate(self._towers):
            if self._is_kept(tower):
                tower.label_name = view.label_name(self._pipeline, index)

    def _drop(self) -> None:
        left_out = [tower for tower in self._towers if not self._is_kept(tower)]
        if len(self._towers) - len(left_out) == 1:
            # One task has no other to be compared with.
            self._pipeline.train_config.ClearField("log_gradient_conflict_every")
        names = {tower.tower_name for tower in left_out}
        groups = {tower.feature_group for tower in left_out}
        labels = self._labels_of(names)
        self._drop_outputs()
        self._drop_final_scores()
        self._keep(view.model_message(self._pipeline), self._path, "task_towers", self._is_kept)
        self._drop_names(names)
        model = self._pipeline.model_config
        predictions = {f"{prefix}_{name}" for prefix in _PREDICTIONS for name in names}
        self._keep(model, "model_config", "kd", lambda entry: entry.pred_name not in predictions)
        pareto = self._pipeline.train_config.task_balancing.pareto
        path = "train_config.task_balancing.pareto"
        self._keep(pareto, path, "floors", lambda floor: floor.tower_name not in names)
        groups -= {INPUT_GROUP, *(name for _, name in group_references(self._pipeline))}
        graph = graph_of(self._pipeline)
        groups -= graph.groups_read() if graph else set()
        self._keep(model, "model_config", "feature_groups", lambda group: group.group_name not in groups)
        self._findings.unremarkable |= labels

    def _labels_of(self, names: set[str]) -> set[str]:
        """Returns the paths of the labels that towers learn; that nobody does any more is no remark."""
        labels = list(self._pipeline.data_config.label_fields)
        towers = [(index, tower) for index, tower in enumerate(self._towers) if tower.tower_name in names]
        learned = {tower.label_name or "".join(labels[index : index + 1]) for index, tower in towers}
        return {f"data_config.label_fields[{index}]" for index, label in enumerate(labels) if label in learned}

    def _drop_outputs(self) -> None:
        """Takes the values of the other towers out of the list that a block graph gives, one for each tower."""
        backbone = self._pipeline.model_config.backbone
        if view.model_name(self._pipeline) != "model_params" or len(backbone.output_blocks) != len(self._towers):
            return
        places = [index for index, tower in enumerate(self._towers) if self._is_kept(tower)]
        backbone.output_blocks[:] = [backbone.output_blocks[index] for index in places]
        self._findings.renumber("model_config.backbone.output_blocks", places)

    def _drop_final_scores(self) -> None:
        """Takes away the formulas that read a score of the other towers."""
        kept = iter(without_towers(self._pipeline, self._is_kept))
        self._keep(self._pipeline.export_config, "export_config", "final_score", lambda _: next(kept))

    def _drop_names(self, names: set[str]) -> None:
        """Takes towers out of the lists of towers that an architecture has, as the task groups of HoME."""
        for path, message in list(walk(view.model_message(self._pipeline), self._path)):
            for field in message.DESCRIPTOR.fields:
                if field.message_type and "tower_names" in field.message_type.fields_by_name:
                    self._drop_from_groups(names, message, path, field.name)

    def _drop_from_groups(self, names: set[str], message: Message, path: str, field: str) -> None:
        for index, group in enumerate(getattr(message, field)):
            self._keep(group, f"{path}.{field}[{index}]", "tower_names", lambda name: name not in names)
        self._keep(message, path, field, lambda group: bool(group.tower_names))

    def _keep(self, message: Message, path: str, field: str, is_kept: Callable[..., bool]) -> None:
        """Leaves those items of a list that are kept, and moves the places of their fields along."""
        items = getattr(message, field)
        kept = [index for index, item in enumerate(items) if is_kept(item)]
        for index in reversed(range(len(items))):
            if index not in kept:
                del items[index]
        self._findings.renumber(f"{path}.{field}", kept)

    def _is_kept(self, tower: TaskTower) -> bool:
        return tower.tower_name in self._tasks

    def _tower_path(self, index: int) -> str:
        return view.task_tower_paths(self._pipeline)[index]

    def _at(self, path: str, text: str) -> Problem:
        places = self._findings.places
        return Problem(places.where(path), text, places.position(path))

    def _of_flag(self, text: str) -> Problem:
        return Problem(_FLAG, text, SET_POSITION)


def _needs(tower: TaskTower) -> dict[str, str]:
    """Returns the towers that a tower depends on, by the field that says so."""
    needs = {f"relation_tower_names[{index}]": name for index, name in enumerate(tower.relation_tower_names)}
    return {**needs, "parent": tower.parent} if tower.parent else needs
