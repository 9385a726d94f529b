"""What a draft guessed, and what was done that its reader would not expect: sentences for people."""

from collections.abc import Mapping

from easymtl.config import view
from easymtl.drafting.facts import Fact
from easymtl.drafting.kinds import Kind
from easymtl.drafting.profile import Profile
from easymtl.drafting.separators import has_comma, has_sign, is_printed_list
from easymtl.drafting.split import Split
from easymtl.drafting.understood import Understood
from easymtl.errors import quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

_NEEDS = ("parent", "relation_tower_names", "relation_dnn", "task_space_indicator_label", "out_task_space_weight")


def draft_notes(
    profile: Profile, found: Understood, split: Split | None, files: tuple[str, ...], pipeline: Pipeline
) -> list[str]:
    """Returns a note for each guess, and `Fact`s of what was done.

    Args:
        profile: of the training rows.
        found: what its columns are.
        split: how rows were divided, where they were.
        files: the parts, where rows of files were divided.
        pipeline: what was drafted: notes name its fields alone.
    """
    notes = [note for label in found.labels for note in label.notes] + found.roles.notes
    notes += [note for draft in found.features.drafts.values() for note in draft.notes]
    sample = profile.sample
    printed = [name for name in sample.column_names if is_printed_list(sample[name])]
    if printed:
        notes.append(
            f"the texts of {quoted(printed, 6)} look like printed lists, ['a', 'b'], and each is taken for one value: "
            "write Parquet, or join the values of a list with |."
        )
    texts = [name for name, column in profile.columns.items() if column.kind is Kind.TEXT]
    commas = [name for name in texts if profile.columns[name].separator in ("", ",") and has_comma(sample[name])]
    if commas:
        notes.append(
            f"the texts of {quoted(commas, 6)} look like numbers with a comma in them, 3,7, and are read as texts or "
            "lists: write 3.7 if it is a decimal comma, and 1234 for 1,234."
        )
    signed = [name for name in texts if has_sign(sample[name])]
    if signed:
        notes.append(
            f"the texts of {quoted(signed, 6)} look like numbers with a sign, 12.34€ or 7 %, and are read as texts: "
            "write 12.34."
        )
    for block in found.features.blocks:
        notes.append(
            f"the histories {quoted(block.histories, 6)} are read step by step, the first steps of long ones: the "
            "newest have to stand first."
        )
    notes += _needs(found.parents, pipeline)
    if split is not None:
        kept = f"{split.reason} is kept to judge by{f', {files[1]}' if files else ''}"
        notes.append(Fact(f"the rows were divided: {kept}."))
    return notes


def _needs(parents: Mapping[str, str], pipeline: Pipeline) -> list[str]:
    """Returns a note of the labels that need another one, and of the fields by which their towers say so."""
    if not parents:
        return []
    towers = view.task_towers(pipeline)
    of_label = {view.label_name(pipeline, place): tower for place, tower in enumerate(towers)}
    fields = {
        name: [field for field in _NEEDS if _is_set(of_label[name], field)] for name in parents if name in of_label
    }
    needs = ", ".join(
        f'"{name}" of "{parent}"' + (f" ({fields[name][0]})" if fields.get(name) else "")
        for name, parent in parents.items()
    )
    used = [field for field in _NEEDS if any(field in of_one for of_one in fields.values())]
    if used:
        shown = f"{', '.join(used[:-1])} and {used[-1]}" if len(used) > 1 else used[0]
        advice = f"Where that is by chance, remove {shown} from the towers"
    elif view.parents(pipeline):
        advice = "Where that is by chance, take another model than one of a funnel"
    else:
        advice = "No tower says so"
    return [f"never without another label: {needs}. {advice}; what it means is told in docs/guides/funnels.md."]


def _is_set(tower: TaskTower, field: str) -> bool:
    return any(one.name == field for one, _ in tower.ListFields())
