import pytest

from easymtl.errors import UserError
from easymtl.launch.shares import gpu_of_task, shares, visible_gpus


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


@pytest.mark.parametrize("shown", [{"SLURM_GPUS_PER_TASK": "1"}, {"SLURM_GPU_BIND": "single:1"}])
def test_a_task_that_slurm_shows_its_own_gpu_takes_that(shown, no_devices):
    environ = {"CUDA_VISIBLE_DEVICES": "3", **shown}
    assert gpu_of_task(environ, 3, 4, no_devices) == {"CUDA_VISIBLE_DEVICES": "3"}


def test_tasks_of_slurm_that_see_all_gpus_of_the_host_take_one_each(no_devices):
    environ = {"CUDA_VISIBLE_DEVICES": "0,1,2"}
    for more in ({}, {"SLURM_GPUS_PER_TASK": "1", "SLURM_GPU_BIND": "none"}):
        found = [gpu_of_task({**environ, **more}, index, 3, no_devices) for index in range(3)]
        assert found == [{"CUDA_VISIBLE_DEVICES": str(index)} for index in range(3)]
    assert gpu_of_task({}, 1, 2, no_devices) == {}
    with pytest.raises(UserError, match=r"4 tasks and shows them 3 GPUs.*srun --gpus-per-task=1"):
        gpu_of_task(environ, 0, 4, no_devices)
