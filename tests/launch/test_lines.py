import json

import pytest

from easymtl.errors import UserError
from easymtl.launch.lines import WorkerLines, prefixed, with_worker


def test_lines_begin_in_one_column():
    assert prefixed(0, 2, "step 1") == "[worker 0] step 1"
    assert prefixed(3, 12, "step 1") == "[worker  3] step 1"


def test_a_record_says_of_which_worker_it_is():
    assert json.loads(with_worker(1, '{"event": "saved", "step": 3}')) == {"event": "saved", "step": 3, "worker": 1}
    assert json.loads(with_worker(0, "words")) == {"event": "note", "text": "words", "worker": 0}
    assert json.loads(with_worker(0, "[1]"))["text"] == "[1]"


def test_files_keep_what_each_has_printed(tmp_path):
    shown = []
    for attempt in "ab":
        with WorkerLines(2, False, shown.append, str(tmp_path / "logs")) as lines:
            lines.hear(0, f"{attempt}0")
            lines.hear(1, f"{attempt}1")
    assert shown == ["[worker 0] a0", "[worker 1] a1", "[worker 0] b0", "[worker 1] b1"]
    assert (tmp_path / "logs/worker-1.log").read_text() == "a1\nb1\n"


def test_lines_of_json_stay_such():
    shown = []
    with WorkerLines(2, True, shown.append, None) as lines:
        lines.hear(1, '{"event": "note"}')
        lines.hear(1, "")
    assert [json.loads(line) for line in shown] == [{"event": "note", "worker": 1}]


def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--log_dir: .*cannot be written"):
        WorkerLines(2, False, print, str(tmp_path / "file"))
