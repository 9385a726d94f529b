"""The notebook of the tutorial runs as it stands, here on a few made-up rows of some of its columns."""

from pathlib import Path

import nbformat
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from nbclient import NotebookClient

from easymtl.protos.pipeline_pb2 import Pipeline
from tests.verbs.sample_rows import write_rows

ROOT = Path(__file__).parents[2]
# What is traced, and proved in a process of its own, is looked at elsewhere, see tests/conftest.py.
BEGIN = """
import tensorflow as tf
from easymtl.serving import parity
from easymtl.serving.proof_process import ProofProcess
from tests.serving.scoring_here import score_here
tf.config.run_functions_eagerly(True)
parity.score_apart = score_here
ProofProcess.ahead = lambda: None
"""
# Those that the notebook names, and some beside them: each further one is traced anew in every training.
COLUMNS = ["age", "education", "weeks_worked", "sex", "race", "income_50k", "never_married"]


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, monkeypatch):
    config = ROOT / "samples" / "configs" / "mmoe_on_census.config"
    pipeline = text_format.Parse(config.read_text(), Pipeline())
    for seed, (part, rows) in enumerate({"train": 500, "eval": 200}.items()):
        path = write_rows(pipeline, tmp_path / f"{part}.parquet", rows, seed)
        pq.write_table(pq.read_table(path, columns=COLUMNS), path)
    monkeypatch.setenv("EASYMTL_TUTORIAL_DATA", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    begin = tmp_path / "ipython" / "profile_default" / "startup" / "begin.py"
    begin.parent.mkdir(parents=True)
    begin.write_text(BEGIN)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", 4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    results = [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert sum("image/png" in data for data in results) == 1
    assert results[-1]["text/plain"] == "True"
    assert (tmp_path / "model_dir" / "tutorial" / "history.jsonl").is_file()
