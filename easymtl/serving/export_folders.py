"""Which exports a folder holds: it is one, it has numbered ones, or it is a model_dir with a folder of these."""

from pathlib import Path

from easymtl.serving.delta_folders import is_delta, is_whole, versions_in


def is_version(folder: Path) -> bool:
    """Returns whether a folder holds a SavedModel, or leads to one."""
    return is_whole(folder) or is_delta(folder)


def numbered(folder: Path) -> dict[int, Path]:
    """Returns the versions in a folder, exports and deltas, by number."""
    try:
        return versions_in(folder)
    except OSError:
        return {}


def served_folder(folder: Path) -> Path:
    """Returns the folder whose versions are served: of a model_dir the one below `export`, if there is one kind."""
    if is_version(folder) or numbered(folder):
        return folder
    below = exports_of(folder)
    return below[0] if len(below) == 1 else folder


def exports_of(model_dir: Path) -> list[Path]:
    """Returns the folders of exports of a model_dir, one for each kind."""
    return [path for path in sorted((model_dir / "export").glob("*")) if numbered(path)]
