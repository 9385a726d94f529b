"""Rules of parts that installed packages bring: they are there, and are given the parameters that they declare."""

from easymtl.config import view
from easymtl.config.extension_parameters import read_parameters
from easymtl.config.problems import join
from easymtl.config.rules.review import Review
from easymtl.extensions import ExtensionError
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.task_pb2 import TaskTower


def check_extensions(review: Review) -> None:
    """Each name is that of an installed part that can be loaded, and its parameters are what that declares."""
    for named in view.named_extensions(review.pipeline):
        if not named.name:
            field = named.name_path.rpartition(".")[2]
            review.problem(named.path, f"has no {field}: the name under which a package registers its {named.kind}.")
            continue
        try:
            declaration = named.find().declaration
        except ExtensionError as error:
            review.problem(named.name_path, str(error))
            continue
        for path, text, _ in read_parameters(named.parameters, declaration)[1]:
            review.problem(join(named.path, path).rstrip("."), text)
        if declaration.field_parameter:
            path, field = named.text(declaration.field_parameter)
            # Where the config gives none, that is missing, which is said already.
            if path != named.path:
                review.check_input_field(path, field)


def check_custom_losses(review: Review) -> None:
    """A loss of a package is named where it is asked for, and does not share the name of a metric."""
    for path, tower in review.towers():
        if not tower.losses and tower.loss_type == LossType.CUSTOM:
            text = 'is CUSTOM; write losses { loss_type: CUSTOM custom { name: "..." } }: it says which.'
            review.problem(f"{path}.loss_type", text)
        for index, loss in enumerate(tower.losses):
            if loss.loss_type == LossType.CUSTOM and not loss.WhichOneof("loss_param"):
                text = 'has loss_type CUSTOM; add custom { name: "..." }: the name of the loss of an installed package.'
                review.problem(f"{path}.losses[{index}]", text)
        _check_names(review, path, tower)


def _check_names(review: Review, path: str, tower: TaskTower) -> None:
    """A loss and a metric of one name would be one result."""
    metrics = {view.metric_name(entry) for entry in tower.metrics_set if entry.HasField("custom")}
    for index, loss in enumerate(tower.losses):
        named = view.custom_loss(loss)
        name = loss.loss_name or (named.name if named else "")
        if name in metrics:
            text = f'has the name "{name}", as a metric of this tower has. Give it a loss_name of its own.'
            review.problem(f"{path}.losses[{index}]", text)
