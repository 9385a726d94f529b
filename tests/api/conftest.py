"""A small shop and a training of it, which tests only read."""

import pandas as pd
import pytest

import easymtl
from tests.api.shop import shop_rows, write_shop


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns the folder of the shop, which is the current one."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shop")
        patch.chdir(folder)
        write_shop(folder)
        yield folder


@pytest.fixture(scope="module")
def train_rows() -> pd.DataFrame:
    return shop_rows(200, 1)


@pytest.fixture(scope="module")
def eval_rows() -> pd.DataFrame:
    return shop_rows(120, 2)


@pytest.fixture(scope="module")
def run(folder, op_by_op, train_rows, eval_rows) -> easymtl.Run:
    """Returns a training on tables in memory."""
    return easymtl.train("shop.config", train_rows, eval_rows, model_dir="models/memory", verbose=False)


@pytest.fixture(scope="module")
def run_of_files(folder, op_by_op) -> easymtl.Run:
    """Returns the same training on the same rows in Parquet files."""
    return easymtl.train("shop.config", verbose=False)
