"""What a draft guessed, and what was done that its reader would not expect: sentences for people."""

from easymtl.drafting.facts import Fact
from easymtl.drafting.kinds import Kind
from easymtl.drafting.profile import Profile
from easymtl.drafting.separators import has_comma, has_sign, is_printed_list
from easymtl.drafting.split import Split
from easymtl.drafting.understood import Understood
from easymtl.errors import quoted


def draft_notes(profile: Profile, found: Understood, split: Split | None, files: tuple[str, ...]) -> list[str]:
    """Returns a note for each guess, and `Fact`s of what was done.

    Args:
        profile: of the training rows.
        found: what its columns are.
        split: how rows were divided, where they were.
        files: the parts, where rows of files were divided.
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
    if found.parents:
        needs = ", ".join(f'"{name}" of "{parent}"' for name, parent in found.parents.items())
        notes.append(
            f"never without another label: {needs}. Where that is by chance, remove parent and relations from the "
            "towers; what they mean is told in docs/guides/funnels.md."
        )
    if split is not None:
        kept = f"{split.reason} is kept to judge by{f', {files[1]}' if files else ''}"
        notes.append(Fact(f"the rows were divided: {kept}."))
    return notes
