"""`easymtl launch`: what it refuses, and what workers are given; commands are small programs, not trainings."""

import json
import sys

import pytest

from easymtl.cli import main
from easymtl.verbs import launch

PROGRAM = """
import json, os, sys
config = json.loads(os.environ.get("TF_CONFIG", "null"))
index = config["task"]["index"] if config else 0
print(json.dumps({"arguments": sys.argv[1:], "config": config, "threads": os.environ["TF_NUM_INTRAOP_THREADS"]}))
"""


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Runs `easymtl launch` with a program in the place of easymtl, and returns exit code and lines."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")

    def run(program, *words):
        (tmp_path / "program.py").write_text(program)
        monkeypatch.setattr(launch, "_PROGRAM", (sys.executable, str(tmp_path / "program.py")))
        code = main(["launch", *words])
        out, err = capfd.readouterr()
        return code, out.splitlines(), err

    return run


def test_each_worker_is_given_its_place_and_its_share(run):
    code, lines, _ = run(PROGRAM, "--workers", "2", "--", "train", "x.config", "--set", "a=b")
    assert code == 0
    found = {}
    for line in lines:
        prefix, text = line.split("] ", 1)
        found[prefix] = json.loads(text)
    first, second = found["[worker 0"], found["[worker 1"]
    assert first["arguments"] == ["train", "x.config", "--set", "a=b"]
    assert second["arguments"] == [*first["arguments"], "--quiet"]
    assert first["config"]["cluster"] == second["config"]["cluster"]
    assert len(set(first["config"]["cluster"]["worker"])) == 2
    assert [one["config"]["task"] for one in (first, second)] == [{"type": "worker", "index": i} for i in (0, 1)]


def test_one_worker_is_a_process_as_any_other(run):
    code, [line], _ = run(PROGRAM, "--workers", "1", "--", "train", "x.config")
    assert code == 0 and json.loads(line.removeprefix("[worker 0] "))["config"] is None


def test_without_a_number_each_gpu_gets_a_worker(run, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7,8")
    code, lines, _ = run(PROGRAM, "--", "train", "x.config")
    assert code == 0 and len(lines) == 3


def test_without_a_number_and_a_gpu_the_number_is_asked_for(run):
    code, _, err = run(PROGRAM, "--", "train", "x.config")
    assert code == 2 and "--workers is missing, and no GPU is here: say how many workers to start on this host" in err


FAILS_TWICE = """
import json, os, pathlib, sys
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
place = pathlib.Path(__file__).with_name("count")
count = len(place.read_text()) if place.exists() else 0
if index == 1:
    place.write_text("x" * (count + 1))
    sys.exit(75 if count < 2 else 0)
"""


def test_workers_are_started_again_from_where_they_were(run, monkeypatch):
    slept = []
    monkeypatch.setattr("easymtl.verbs.launch.time.sleep", slept.append)
    code, _, err = run(FAILS_TWICE, "--workers", "2", "--restarts", "3", "--", "train", "x.config")
    assert code == 0 and sum(slept) == 3.0
    assert "Worker 1 has ended with exit code 75. All workers start again in 1 s" in err


def test_as_lines_of_json_for_a_program(run):
    program = "import json, sys\nprint(json.dumps({'event': 'note', 'text': ' '.join(sys.argv)}))\nsys.exit(2)"
    code, lines, err = run(program, "--workers", "2", "--log_format", "json", "--", "train", "x.config")
    records = [json.loads(line) for line in lines]
    of_workers = [record for record in records if "worker" in record]
    assert code == 2 and err == ""
    assert {record["worker"] for record in of_workers} >= {0} or {record["worker"] for record in of_workers} >= {1}
    assert all("--log_format json" in record["text"] for record in of_workers)
    assert any("has ended with exit code 2" in record.get("text", "") for record in records)
    phases = [record.get("detail") for record in records if record["event"] == "phase"]
    assert phases[-1] == "2 workers", "said while workers import what they need, which takes seconds"


def test_a_worker_does_not_launch_workers(run, monkeypatch):
    config = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    code, _, err = run(PROGRAM, "--workers", "2", "--", "train", "x.config")
    assert code == 2 and "TF_CONFIG names 2 workers, so that this process is a worker already" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--workers", "0", "--", "train", "x"], "say how many workers"),
        (["--workers", "2", "--restarts", "-1", "--", "train", "x"], "--restarts -1: it is 0 or more"),
        (["--workers", "2", "--service", "s", "--", "train", "x"], "--service is for launch with --cluster"),
        (["--cluster", "slurm", "--restarts", "2", "--", "train", "x"], "--restarts is for launch without --cluster"),
        (["--cluster", "slurm", "--workers", "2", "--", "train", "x"], "leave out --workers"),
    ],
)
def test_flags_that_do_not_go_together(run, words, says):
    code, _, err = run(PROGRAM, *words)
    assert code == 2 and says in err


def test_a_task_of_slurm_becomes_the_worker(run, monkeypatch):
    became = []
    monkeypatch.setattr("easymtl.verbs.launch.os.execve", lambda *words: became.append(words) or sys.exit(0))
    step = {"JOB_ID": "1", "PROCID": "1", "LOCALID": "1", "STEP_NODELIST": "a", "STEP_TASKS_PER_NODE": "2"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(SystemExit):
        run(PROGRAM, "--cluster", "slurm", "--port", "9000", "--", "train", "x.config")
    [(program, words, environ)] = became
    assert program == sys.executable and words[2:] == ["train", "x.config"]
    config = json.loads(environ["TF_CONFIG"])
    assert config == {"cluster": {"worker": ["a:9000", "a:9001"]}, "task": {"type": "worker", "index": 1}}
    assert environ["CUDA_VISIBLE_DEVICES"] == "5" and "TF_NUM_INTRAOP_THREADS" not in environ


def test_a_pod_becomes_the_worker(run, monkeypatch):
    became = []
    monkeypatch.setattr("easymtl.verbs.launch.os.execve", lambda *words: became.append(words) or sys.exit(0))
    monkeypatch.setattr("easymtl.verbs.launch.socket.gethostname", lambda: "t-0")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    with pytest.raises(SystemExit):
        run(PROGRAM, "--cluster", "kubernetes", "--workers", "2", "--service", "s", "--", "eval", "x.config")
    assert json.loads(became[0][2]["TF_CONFIG"])["cluster"] == {"worker": ["t-0.s:2222", "t-1.s:2222"]}
