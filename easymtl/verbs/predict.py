"""`easymtl predict`: scores of CSV or Parquet rows, as Parquet."""

import sys
import time
from argparse import Namespace

from easymtl.config import load_config
from easymtl.data.paths import split_commas
from easymtl.reporting.outcomes import Predicted
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.scoring.scores_file import scores_file
from easymtl.verbs.data_files import require_all_columns, require_files
from easymtl.verbs.overwriting import model_folders, require_apart
from easymtl.verbs.tensorflow_start import start_tensorflow


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
    from easymtl.reporting.bars import pass_bar
    from easymtl.scoring.predictions import check_keep, predict
    from easymtl.verbs.model_choice import choose_scorer

    keep = split_commas(options.keep)
    check_keep(config.pipeline, keep)
    scorer, source, _ = choose_scorer(config.pipeline, options)
    start = time.perf_counter()
    with pass_bar("Scoring") as tell_progress:
        target, num_rows = predict(config.pipeline, scorer, options.input, target, keep, tell_progress=tell_progress)
    seconds = time.perf_counter() - start
    text = f"Scored {num_rows:,} rows with {source} ({num_rows / seconds:,.0f} rows/s): {target}"
    current().result(Predicted(str(target), num_rows, source, seconds), lambda: say(text, sys.stdout))
