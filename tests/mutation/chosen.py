"""Which modules are mutated, and by which tests each of them is judged."""

from fnmatch import fnmatch
from pathlib import Path

CHOSEN = (
    "easymtl/training/step.py",
    "easymtl/training/update_rules.py",
    "easymtl/training/inputs.py",
    "easymtl/data/windows.py",
    "easymtl/data/chunks.py",
    "easymtl/tasks/losses_*.py",
    "easymtl/features/*.py",
    "easymtl/features/kinds/*.py",
    "easymtl/layers/steps.py",
    "easymtl/layers/segments.py",
    "easymtl/layers/target_attention.py",
    "easymtl/scoring/*.py",
    "easymtl/serving/*.py",
)

# Behind the mirrored test, tests/<room>/test_<module>.py: files that judge a module too, cheap ones first.
_ALSO = {
    "easymtl/training/step.py": (
        "tests/training/test_step.py",
        "tests/training/test_refused_steps.py",
        "tests/training/test_several_workers.py",
        "tests/training/test_trainer.py",
    ),
    "easymtl/training/update_rules.py": ("tests/training/test_optimizers.py",),
    "easymtl/training/inputs.py": (
        "tests/training/test_counts.py",
        "tests/training/test_step.py",
        "tests/training/test_trainer.py",
    ),
    "easymtl/data/windows.py": ("tests/data/test_feed.py", "tests/data/test_reader_properties.py"),
    "easymtl/data/chunks.py": (
        "tests/data/test_windows.py",
        "tests/data/test_feed.py",
        "tests/data/test_skipped.py",
        "tests/data/test_reader_properties.py",
    ),
    "easymtl/tasks/losses_*.py": ("tests/tasks/test_losses.py", "tests/tasks/test_golden_losses.py"),
    "easymtl/features/kinds/*.py": ("tests/features/test_kinds.py", "tests/features/test_embeddings.py"),
    "easymtl/features/*.py": ("tests/features/test_*.py",),
    "easymtl/layers/*.py": (
        "tests/layers/test_steps.py",
        "tests/layers/test_target_attention.py",
        "tests/layers/test_sequence_combiners.py",
        "tests/layers/named/test_all_history_layers.py",
        "tests/features/test_kinds.py",
    ),
    "easymtl/scoring/*calibrat*.py": ("tests/checkpoints/test_calibrations.py",),
    "easymtl/scoring/*.py": ("tests/scoring/test_*.py", "tests/serving/test_saved_model_scorer.py"),
    "easymtl/serving/*.py": ("tests/serving/test_*.py",),
}


def modules(root: Path) -> list[str]:
    """Returns the chosen modules below `root`, in the order of the table."""
    found = [path.relative_to(root).as_posix() for pattern in CHOSEN for path in sorted(root.glob(pattern))]
    return [module for module in found if not module.endswith("__init__.py")]


def tests_of(root: Path, module: str, is_quick: bool = False) -> list[str]:
    """Returns the test files that judge `module`, the mirrored one first.

    Args:
        root: the checkout.
        module: path of the module below it.
        is_quick: the mirrored file alone, if there is one.

    Raises:
        ValueError: If there is none.
    """
    path = Path(module)
    mirrored = f"tests/{path.parent.relative_to('easymtl').as_posix()}/test_{path.name}"
    if is_quick and (root / mirrored).is_file():
        return [mirrored]
    patterns = [mirrored, *(file for pattern, files in _ALSO.items() if fnmatch(module, pattern) for file in files)]
    found = [file.relative_to(root).as_posix() for pattern in patterns for file in sorted(root.glob(pattern))]
    if not found:
        raise ValueError(f"no test judges {module}; name one in {Path(__file__).name}")
    return list(dict.fromkeys(found))
