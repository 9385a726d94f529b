"""`easymtl predict`: scores of CSV or Parquet rows, as Parquet."""

import sys
import time
from argparse import Namespace

from easymtl.api.data_files import require_all_columns, require_files
from easymtl.api.overwriting import model_folders, require_apart
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config
from easymtl.data.paths import split_commas
from easymtl.reporting.outcomes import Predicted
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.scoring.scores_file import scores_file


def run(options: Namespace) -> None:
    """Scores the rows of `--input` in order and writes the scores, and the kept columns, to `--output`.

    Raises:
        UserError: the config, the model, the data or the output are wrong.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    target = scores_file(options.output)
    require_apart(config, [("--output", target)], {"--input": options.input}, model_folders(config.pipeline, options))
    require_files(options.input)
    require_all_columns(options.input, config.pipeline)
    start_tensorflow()
    from easymtl.api.opening import open_chosen
    from easymtl.reporting.bars import pass_bar
    from easymtl.scoring.predictions import check_keep

    keep = split_commas(options.keep)
    check_keep(config.pipeline, keep)
    model = open_chosen(config, options.checkpoint, options.saved_model)
    for note in model.notes:
        say(f"note: {note}", sys.stdout)
    start = time.perf_counter()
    with pass_bar("Scoring") as tell_progress:
        target, num_rows = model.write_scores(options.input, target, keep, tell_progress=tell_progress)
    seconds = time.perf_counter() - start
    text = f"Scored {num_rows:,} rows with {model.source} ({num_rows / seconds:,.0f} rows/s): {target}"
    current().result(Predicted(str(target), num_rows, str(model.source), seconds), lambda: say(text, sys.stdout))
