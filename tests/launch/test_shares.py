import pytest

from easymtl.errors import UserError
from easymtl.launch.shares import shares, visible_gpus


@pytest.fixture
def no_devices(tmp_path):
    return tmp_path


def test_cores_are_split(no_devices):
    found = shares({}, 2, num_cores=8, devices=no_devices)
    assert found == [{"TF_NUM_INTRAOP_THREADS": "4", "OMP_NUM_THREADS": "4"}] * 2
    assert shares({}, 3, num_cores=2, devices=no_devices)[2]["TF_NUM_INTRAOP_THREADS"] == "1"


def test_what_somebody_has_set_stays(no_devices):
    [own, _] = shares({"OMP_NUM_THREADS": "7"}, 2, num_cores=8, devices=no_devices)
    assert own == {"TF_NUM_INTRAOP_THREADS": "4"}


def test_each_worker_sees_one_gpu(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    found = shares({}, 2, num_cores=8, devices=tmp_path)
    assert [own["CUDA_VISIBLE_DEVICES"] for own in found] == ["0", "1"]
    chosen = shares({"CUDA_VISIBLE_DEVICES": "GPU-5a, 3"}, 2, num_cores=8, devices=tmp_path)
    assert [own["CUDA_VISIBLE_DEVICES"] for own in chosen] == ["GPU-5a", "3"]


@pytest.mark.parametrize(("text", "names"), [("", []), ("-1", []), ("2,-1,3", ["2"]), ("0", ["0"])])
def test_gpus_are_those_that_cuda_sees(text, names, no_devices):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": text}, no_devices) == names


def test_more_workers_than_gpus_are_refused(no_devices):
    with pytest.raises(UserError, match=r"--workers 3: there are 2 GPUs.*Start --workers 2, or .*=-1"):
        shares({"CUDA_VISIBLE_DEVICES": "0,1"}, 3, devices=no_devices)
    assert "CUDA_VISIBLE_DEVICES" not in shares({"CUDA_VISIBLE_DEVICES": "-1"}, 3, devices=no_devices)[0]
