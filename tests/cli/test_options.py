"""Values of flags."""

import argparse

import pytest

from easymtl.cli.options import patience


def test_workers_have_time_for_a_sign_of_life():
    assert patience("5") == 5.0
    with pytest.raises(argparse.ArgumentTypeError, match=r'"4\.9" is below 5'):
        patience("4.9")
    with pytest.raises(argparse.ArgumentTypeError, match="no number of seconds"):
        patience("soon")
