"""Where what `variational_dropout` has learnt is written; imports nothing heavy."""

from pathlib import Path


def rates_files(model_dir: str, group: str) -> dict[str, Path]:
    """Returns where the rates of a group are written: `features`, `elements` and `plot`."""
    stem = f"feature_importance_{group.replace('/', '_')}"
    endings = {"features": ".csv", "elements": ".elements.csv", "plot": ".svg"}
    return {name: Path(model_dir) / f"{stem}{ending}" for name, ending in endings.items()}
