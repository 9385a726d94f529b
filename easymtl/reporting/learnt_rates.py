"""What `variational_dropout` has learnt, as files of a model_dir."""

from collections.abc import Mapping
from pathlib import Path

from easymtl.reporting.importance import Rates, has_elements, write_elements, write_rates
from easymtl.reporting.importance_plot import bars_of_rates, can_draw, draw_importance
from easymtl.reporting.rates_files import rates_files


def write_learnt_rates(model_dir: str, rates: Mapping[str, Rates]) -> list[Path]:
    """Writes the ranking of each group, and a plot where matplotlib is installed; nothing without rates.

    Returns:
        The files.

    Raises:
        UserError: a file cannot be written.
    """
    written = []
    for group, found in rates.items():
        paths = rates_files(model_dir, group)
        write_rates(paths["features"], found)
        written.append(paths["features"])
        if has_elements(found):
            write_elements(paths["elements"], found)
            written.append(paths["elements"])
        if can_draw():
            draw_importance(paths["plot"], bars_of_rates({group: found}))
            written.append(paths["plot"])
    return written
