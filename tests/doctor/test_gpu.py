"""Which GPU there is, or why none."""

import pytest

from easymtl.doctor.finding import NOTE, OK
from easymtl.doctor.gpu import Facts, gpu

ALL = Facts(None, True, True, True, (), ("L4",))


@pytest.mark.parametrize(
    ("changes", "standing", "says", "advises"),
    [
        ({}, OK, "L4", ""),
        ({"names": (), "visible": ""}, NOTE, 'hidden: CUDA_VISIBLE_DEVICES is ""', "unset CUDA_VISIBLE_DEVICES"),
        ({"names": (), "visible": "-1"}, NOTE, 'is "-1"', "unset CUDA_VISIBLE_DEVICES"),
        ({"names": (), "has_device": False, "has_driver": False}, OK, "no NVIDIA device and no driver", ""),
        ({"names": (), "has_driver": False}, NOTE, "its driver is not loaded", "--gpus all"),
        ({"names": (), "has_device": False}, NOTE, "a driver, and no device", "--gpus all"),
        ({"names": (), "is_built_with_cuda": False}, NOTE, "built without CUDA", "easymtl[gpu]"),
        ({"names": (), "missing": ("nvidia-cudnn-cu12",)}, NOTE, "no nvidia-cudnn-cu12", "easymtl[gpu]"),
        ({"names": (), "visible": "7"}, NOTE, "does not see it", '("7")'),
    ],
)
def test_why_there_is_no_gpu(changes, standing, says, advises):
    found = gpu(Facts(**{**vars(ALL), **changes}))
    assert found.standing == standing
    assert says in found.text and advises in found.advice
    assert bool(found.advice) == (standing == NOTE)
