"""The line of progress: what it says, how often, how it fits."""

from dataclasses import replace

import pytest

from easymtl.reporting.progress import ProgressLine, live_line, plain_line
from easymtl.reporting.terminal import open_terminal
from easymtl.training.events import Progress

TOWERS = ["click", "on_mic", "mic"]


def progress(step=300, share=0.25, left=15.2, **losses) -> Progress:
    losses = {"cross_entropy_loss_click": 0.5, "l2_loss_on_mic": 1.5, "l2_loss_mic": 1.0, **losses}
    return Progress(step, share, 12667.3, 0.024, {**losses, "loss": 3.04757}, (0.1, 0.1), left)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_plain_line_is_what_scripts_look_for():
    line = "step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15"
    assert plain_line(progress(), 1200) == line


def test_the_end_of_the_data_may_come_before_the_last_step():
    assert plain_line(progress(share=0.5), 1200).startswith("step 300/1200 (50 %)  ")
    assert plain_line(progress(share=0.5), None).startswith("step 300 (50 %)  ")


def test_a_training_without_end_has_no_time_left():
    expected = "step 300  12,667 examples/s  input wait 2 %  loss 3.0476"
    assert plain_line(progress(share=None, left=None), None) == expected


@pytest.mark.parametrize(
    "width, line",
    [
        (140, "━━────────  step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15  "
              "click 0.50000  on_mic 1.5000  mic 1.0000"),
        (110, "━━────────  step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15"),
        (75, "step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15"),
        (60, "step 300/1200  12,667 examples/s  loss 3.0476  left 0:15"),
        (40, "step 300/1200  loss 3.0476  left 0:15"),
        (30, "step 300/1200  loss 3.0476"),
    ],
)  # fmt: skip
def test_the_live_line_says_what_fits(width, line):
    assert live_line(progress(), 1200, TOWERS, width).plain == line


def test_regularization_is_named_when_there_is_some():
    assert "regularization" not in live_line(progress(regularization_loss=0.0), 1200, TOWERS, 200).plain
    assert "regularization 0.01000" in live_line(progress(regularization_loss=0.01), 1200, TOWERS, 200).plain


def test_a_pipe_gets_the_first_the_last_and_one_every_five_seconds(make_pipe):
    pipe, clock = make_pipe(), Clock()
    line = ProgressLine(TOWERS, open_terminal(pipe), clock)
    line.num_steps = 130
    for step in range(10, 121, 10):
        line.show(progress(step))
        clock.seconds += 1.0
    line.show(progress(130))
    line.flush()
    assert [text.split()[1] for text in pipe.text().splitlines()] == ["10/130", "60/130", "110/130", "130/130"]


def test_the_last_line_is_kept_when_training_ends_early(make_pipe):
    pipe, clock = make_pipe(), Clock()
    line = ProgressLine(TOWERS, open_terminal(pipe), clock)
    for step in (10, 20, 30):
        line.show(progress(step))
    line.flush()
    line.flush()
    assert [text.split()[1] for text in pipe.text().splitlines()] == ["10", "30"]


def test_a_terminal_has_one_line_that_is_gone_before_other_things_are_printed(make_terminal):
    stream, clock = make_terminal(), Clock()
    line = ProgressLine(TOWERS, open_terminal(stream, width=80), clock)
    for step in (10, 20):
        line.show(progress(step))
        clock.seconds += 1.0
    assert "step 10" in stream.getvalue() and "step 20" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    line.pause()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_the_weights_of_balanced_tasks_are_shown_until_there_is_no_room():
    event = replace(progress(), weights={"click": 1.25, "on_mic": 0.5, "mic": 1.25})
    assert "loss 3.0476  weights click 1.25 on_mic 0.50 mic 1.25  left 0:15" in plain_line(event, 1200)
    assert "weights" not in live_line(event, 1200, TOWERS, 60).plain


def test_what_is_left_grows_less_between_two_events(make_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    clock = Clock()
    line = ProgressLine(TOWERS, open_terminal(make_terminal()), clock)
    event = progress(left=15.2)
    assert "left 0:15" in line._text(event, 0.0, 100)
    assert "left 0:05" in line._text(event, 10.0, 100)
    assert "left 0:00" in line._text(event, 60.0, 100), "a step that takes longer is not one of the past"
    assert "left" not in line._text(progress(left=None), 60.0, 100)
