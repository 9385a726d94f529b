"""A config that is there already: its features, labels and training are kept, and new columns are added."""

from collections.abc import Sequence
from dataclasses import dataclass

from easymtl.config import load_config, view
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import Roles
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline


@dataclass
class Existing:
    """A config to go by.

    Attributes:
        path: of its file.
        pipeline: its message.
        labels: its labels.
    """

    path: str
    pipeline: Pipeline
    labels: list[str]

    def rest(self, profile: Profile, roles: Roles) -> set[str]:
        """Returns the columns that the config declares, so that they are not drafted again.

        Raises:
            UserError: the data lack one that it reads.
        """
        used = set(view.used_fields(self.pipeline))
        missing = sorted(used - set(profile.columns))
        if missing:
            raise UserError(
                f"--like {self.path}: it reads {quoted(missing, 5)}, and the data have no such "
                f"{'column' if len(missing) == 1 else 'columns'}. Give data that have, or leave --like out."
            )
        declared = {field.input_name for field in self.pipeline.data_config.input_fields} & set(profile.columns)
        for name in declared:
            roles.left_out.pop(name, None)
        # What is only ignored by the config stays so.
        return declared

    def joined(self, drafted: Pipeline, comments: dict[str, str]) -> tuple[Pipeline, dict[str, str]]:
        """Returns the config with what was drafted of new columns and new paths, and comments on what is new.

        Args:
            drafted: a draft of the columns that the config does not declare.
            comments: on the draft, by path.
        """
        pipeline, kept = Pipeline(), {}
        pipeline.CopyFrom(self.pipeline)
        for path in ("train_input_path", "eval_input_path", "model_dir"):
            if getattr(drafted, path):
                setattr(pipeline, path, getattr(drafted, path))
        data = pipeline.data_config
        data.input_type = drafted.data_config.input_type
        for option in ("separator", "with_header"):
            data.ClearField(option)
            if drafted.data_config.HasField(option):
                setattr(data, option, getattr(drafted.data_config, option))
        declared = {field.input_name for field in data.input_fields}
        new = {name for feature in drafted.feature_config.features for name in feature.input_names}
        for field in drafted.data_config.input_fields:
            if field.input_name not in declared and field.input_name in new:
                data.input_fields.append(field)
        taken = {view.feature_name(feature) for feature in view.features(pipeline)}
        features = pipeline.feature_configs if pipeline.feature_configs else pipeline.feature_config.features
        where = "feature_configs" if pipeline.feature_configs else "feature_config.features"
        group = pipeline.model_config.feature_groups[0]
        for place, feature in enumerate(drafted.feature_config.features):
            name = view.feature_name(feature)
            if name in taken:
                continue
            kept[f"{where}[{len(features)}]"] = "new: " + comments.get(f"feature_config.features[{place}]", "")
            features.append(feature)
        of_draft = drafted.model_config.feature_groups[0]
        group.feature_names.extend(name for name in of_draft.feature_names if name not in taken)
        blocks = {block.group_name for block in group.sequence_features}
        group.sequence_features.extend(block for block in of_draft.sequence_features if block.group_name not in blocks)
        return pipeline, kept


def read_existing(path: str, labels: Sequence[str]) -> Existing:
    """Reads a config to go by.

    Args:
        path: of its file.
        labels: those that somebody named: they have to be the config's.

    Raises:
        UserError: the config is wrong, or has other labels.
    """
    pipeline = load_config(path).pipeline
    towers = len(view.task_towers(pipeline))
    own = list(
        dict.fromkeys([*pipeline.data_config.label_fields, *(view.label_name(pipeline, n) for n in range(towers))])
    )
    strange = [name for name in labels if name not in own]
    if strange:
        raise UserError(
            f"--labels: {quoted(strange)} is no label of {path}, which has {quoted(own)}. Its labels are kept: leave "
            "--labels out, or --like."
        )
    return Existing(path, pipeline, own)
