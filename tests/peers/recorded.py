"""Signs of life that are only remembered."""

from contextlib import contextmanager

from easymtl.peers.signs import Signs


class Recorded(Signs):
    """Remembers what a worker tells of its progress.

    Attributes:
        phases: what it has done, in order.
        doing_now: the phases that have begun and not ended.
        followed: numbers that were followed, as they were in the end.
        num_beats: how often it has told that it goes on.
    """

    def __init__(self):
        self.phases, self.doing_now, self.followed, self.num_beats = [], [], [], 0

    def beat(self, phase="", step=0):
        self.num_beats += 1

    @contextmanager
    def doing(self, phase):
        self.phases.append(phase)
        self.doing_now.append(phase)
        yield
        self.doing_now.remove(phase)

    @contextmanager
    def follow(self, progress):
        yield
        self.followed.append(progress())
