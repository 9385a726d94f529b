"""Each public docstring has an example, and all of them run as they stand, on one small training."""

import doctest
import inspect

import pytest

import easymtl
from tests.api.shop import shop_rows

NAMES = [name for name in easymtl.__all__ if name not in ("StopTraining", "UserError", "Evaluation")]
"""Errors are raised, and an `Evaluation` is in the example of `Model.evaluate`."""
# What scikit-learn asks of an estimator, whose class has an example; and what the package asks of a config.
WITHOUT = {"fit", "predict_proba", "predict", "score", "get_params", "set_params", "error", "remarks"}


@pytest.fixture(scope="module")
def shop(run_of_files):
    """Returns the names that examples use, in the folder with the config and its data."""
    return {"easymtl": easymtl, "rows": shop_rows(), "run": run_of_files, "model": run_of_files.model}


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [
        test
        for name in NAMES
        for test in finder.find(getattr(easymtl, name), f"easymtl.{name}", module=False)
        if test.examples
    ]


def public_members():
    for name in NAMES:
        thing = getattr(easymtl, name)
        yield f"easymtl.{name}", thing
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and member not in WITHOUT and inspect.getdoc(value):
                    yield f"easymtl.{name}.{member}", value


@pytest.mark.slow
def test_examples_run_as_they_stand(shop):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    tests = examples()
    assert len(tests) > 12
    for test in tests:
        test.globs = dict(shop)
        told: list[str] = []
        runner.run(test, out=told.append)
        assert not told, "".join(told)


def test_everything_public_has_an_example():
    assert [name for name, value in public_members() if ">>>" not in inspect.getdoc(value)] == []
