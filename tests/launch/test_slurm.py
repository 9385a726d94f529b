import pytest

from easymtl.errors import UserError
from easymtl.launch.slurm import host_names, task_of_slurm

STEP = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_NODELIST": "gpu[01-02,7]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]),
        ("a,b-1", ["a", "b-1"]),
        ("gpu[01-03,7],login", ["gpu01", "gpu02", "gpu03", "gpu7", "login"]),
        ("n[9-11].rack,m[1]", ["n9.rack", "n10.rack", "n11.rack", "m1"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
    ],
)
def test_lists_of_hosts(text, names):
    assert host_names(text) == names


@pytest.mark.parametrize("text", ["", "a[1-", "a[3-1]", "a[1-x]", "a[]", "a[1-999999999]", "a[1][2]"])
def test_what_is_no_list_of_hosts(text):
    with pytest.raises(UserError, match="no list of hosts"):
        host_names(text)


def test_a_task_knows_all_others():
    task = task_of_slurm(STEP)
    port = 20_000 + 4711 * 16 % 10_000
    assert task.cluster.addresses == (
        f"gpu01:{port}", f"gpu01:{port + 1}", f"gpu02:{port}", f"gpu02:{port + 1}", f"gpu7:{port}",
    )  # fmt: skip
    assert (task.cluster.index, task.local_index, task.local_size) == (3, 1, 2)
    assert task_of_slurm({**STEP, "SLURM_PROCID": "4", "SLURM_LOCALID": "0"}, 5000).cluster.addresses[4] == "gpu7:5000"


def test_one_task_is_one_process():
    alone = {"SLURM_STEP_NODELIST": "a", "SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    assert task_of_slurm({**STEP, **alone}).cluster.size == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"SLURM_PROCID": ""}, "SLURM_PROCID is not set, so this is no task"),
        ({"SLURM_PROCID": "x"}, 'SLURM_PROCID is "x"'),
        ({"SLURM_PROCID": "9"}, "SLURM_PROCID is 9, and the step has 5 tasks"),
        ({"SLURM_LOCALID": "0"}, "--distribution=block"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x9)"}, "3 hosts and tells the tasks of 9"),
        ({"SLURM_STEP_TASKS_PER_NODE": "two"}, "should be like 2(x3),1"),
    ],
)
def test_what_is_wrong_is_named(changed, says):
    with pytest.raises(UserError) as error:
        task_of_slurm({**STEP, **changed})
    assert says in str(error.value)
