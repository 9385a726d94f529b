"""What an entry point leads to: a declaration of an architecture, a layer, a loss or a metric."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from google.protobuf.message import Message

from easymtl.extensions.parameters import Parameter, message_type

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_PREDICTED = ("probability", "value")
_TASKS = ("binary", "classes", "value")


@dataclass(frozen=True)
class Declaration:
    """What all declarations have.

    Attributes:
        target: what is imported when a model is made: `package.module:Name`.
        parameters: that a config may give.
        doc: what it is, in a line.

    Raises:
        ValueError: the declaration contradicts itself.
    """

    target: str
    parameters: Sequence[Parameter] = ()
    doc: str = ""
    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f'target "{self.target}" is not of the form "package.module:Name"')
        self.message  # noqa: B018  # It is made here, so that a wrong declaration does not get further.

    @cached_property
    def message(self) -> type[Message]:
        """The type of the message that parameters are read into."""
        return message_type(self.parameters, is_architecture=self.kind == "architecture")

    def parameter(self, name: str) -> Parameter:
        """Returns the parameter of a name, which there is."""
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def field_parameter(self) -> str:
        """The parameter that names an input field, empty where there is none."""
        return ""

    def _require_text(self, *names: str, is_required: bool = True) -> None:
        """Checks that parameters are texts, as a name is, and that a config has to give them.

        Raises:
            ValueError: one is not, or there is none of the name.
        """
        texts = {one.name: one for one in self.parameters if one.kind is str}
        for name in filter(None, names):
            if name not in texts:
                raise ValueError(f'"{name}" is to be a name, and is no parameter of kind str')
            if is_required and not texts[name].is_required:
                raise ValueError(f'parameter "{name}" names a field of the data, and must not have a default')


@dataclass(frozen=True)
class Architecture(Declaration):
    """An architecture: `target` is a subclass of `MultiTaskModel`.

    A config calls it by `custom { class_name: "..." }`. The message that it is made with has its parameters,
    `task_towers` and `l2_regularization`, as those of the zoo have.

    Attributes:
        feature_groups: the parameters that name feature groups, which the model reads beside or in place of `all`.
    """

    feature_groups: tuple[str, ...] = ()
    kind: ClassVar[str] = "architecture"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_text(*self.feature_groups, is_required=False)


@dataclass(frozen=True)
class Layer(Declaration):
    """A layer of block graphs: `target` is a subclass of `NamedLayer`. A config calls it by `class_name`."""

    kind: ClassVar[str] = "layer"


@dataclass(frozen=True)
class Loss(Declaration):
    """A loss: `target` is a function of `LossInputs` that returns the loss of each row, `[batch]`.

    A config calls it by `losses { loss_type: CUSTOM custom { name: "..." } }`.

    Attributes:
        predicts: what the logits of the task stand for: `probability` (the sigmoid is that of an event, or the softmax
            those of classes), or `value` (the logit is the predicted value).
        num_class: the `num_class` that a tower needs; 0 for any.
        session: the parameter that names the field of sessions, if the loss of a row depends on the other rows of its
            session: `inputs.keys` holds the field. Empty where it does not look at other rows.
    """

    predicts: str = "probability"
    num_class: int = 1
    session: str = ""
    kind: ClassVar[str] = "loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.predicts not in _PREDICTED:
            raise ValueError(f'predicts is "{self.predicts}"; it is one of {", ".join(_PREDICTED)}')
        if self.num_class < 0 or (self.predicts == "value" and self.num_class != 1):
            raise ValueError(f"num_class is {self.num_class}; a value is predicted by one logit, classes by 1 or more")
        self._require_text(self.session)

    @property
    def field_parameter(self) -> str:
        """The parameter that names the field of sessions."""
        return self.session


@dataclass(frozen=True)
class Metric(Declaration):
    """A metric: `target` is a function of `MetricInputs` that returns a number.

    A config calls it by `metrics_set { custom { name: "..." } }`; its results are `<name>_<tower>`.

    Attributes:
        tasks: what a tower may predict: `binary` (one probability), `classes` (several), `value` (a regression).
        is_error: whether smaller is better.
        is_of_order: whether it depends on nothing but the order of the predictions, so that any score has it.
        groups: the parameter that names the field of groups, if it has groups: `inputs.groups` numbers those of rows.
    """

    tasks: tuple[str, ...] = ("binary",)
    is_error: bool = False
    is_of_order: bool = False
    groups: str = ""
    kind: ClassVar[str] = "metric"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tasks or not set(self.tasks) <= set(_TASKS):
            raise ValueError(f"tasks is {self.tasks!r}; it holds some of {', '.join(_TASKS)}")
        self._require_text(self.groups)

    @property
    def field_parameter(self) -> str:
        """The parameter that names the field of groups."""
        return self.groups


KINDS: dict[str, type[Any]] = {one.kind: one for one in (Architecture, Layer, Loss, Metric)}
"""The class of the declarations of each kind."""
