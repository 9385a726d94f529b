"""The commands of the documentation that `test_commands.py` does not run, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NotRun:
    """Commands that are not run.

    Attributes:
        begins: what they begin with.
        why: they are not; where another test does it, which.
        page: the only one where that is so; empty for all of them.
    """

    begins: tuple[str, ...]
    why: str
    page: str = ""

    def covers(self, page: str, words: list[str]) -> bool:
        """Returns whether a command is one of them."""
        text = " ".join(words)
        return self.page in ("", page) and text.startswith(self.begins)


NOT_RUN = (
    NotRun(("easymtl serve",), "ends by a signal; tests/verbs/test_serve.py starts it and calls it as it says"),
    NotRun(("easymtl board",), "ends by a signal; tests/verbs/test_board.py asks what it serves"),
    NotRun(("easymtl doctor",), "trains in a process of its own, for seconds; tests/verbs/test_doctor.py"),
    NotRun(("easymtl tune",), "each trial is a process, and metrics are named; tests/verbs/test_tune.py"),
    NotRun(("easymtl plan rank.config --measure",), "measures with a second process; tests/verbs/test_plan.py"),
    NotRun(("easymtl launch --workers",), "several processes; tests/launch/test_trainings.py"),
    NotRun(
        ("easymtl launch --cluster kubernetes",),
        "needs a cluster; tests/launch/test_kubernetes.py has its variables and names",
    ),
    NotRun(
        ("easymtl verify model_dir/shop/export/final --input rows.parquet --with rest,grpc --rest",),
        "needs a model server that runs; tests/ways/test_desk_server.py has our own",
        "docs/guides/serving.md",
    ),
    NotRun(
        ("easymtl compare before.config",),
        "trains 12 passes over Census-Income, which is no part of the repository",
        "docs/guides/quality.md",
    ),
    NotRun(
        ("easymtl import-checkpoint", "easymtl eval", "easymtl train", "easymtl export"),
        "begins with what EasyRec has left; tests/verbs/test_import_checkpoint.py",
        "docs/guides/from-easyrec.md",
    ),
    NotRun(("easymtl",), "tests/samples/test_merlin.py runs all of them", "docs/guides/from-merlin.md"),
    NotRun(("easymtl",), "tests/samples/test_torcheasyrec.py runs them", "docs/guides/from-torcheasyrec.md"),
    NotRun(
        ("easymtl train", "easymtl check"),
        "needs an installed package; tests/samples/test_extension.py installs it and does as the page says",
        "docs/guides/extend.md",
    ),
    NotRun(
        ("make faults", "make mutate", "make fuzz"), "takes minutes to hours; tests/faults, tests/mutation, tests/fuzz"
    ),
    NotRun(("make test", "make lint", "make help"), "is what runs the tests, and what runs beside them"),
    NotRun(("python -m benchmarks",), "takes minutes to hours, or draws a picture; tests/benchmarks"),
    NotRun(("python -m tests.mutation --table",), "needs the results of a run; tests/mutation/test_run.py"),
    NotRun(("python samples/census/convert.py",), "needs the files of UCI; tests/samples/test_census.py has some rows"),
    NotRun(("python samples/clients",), "needs a model server that runs; tests/samples/test_clients.py"),
    NotRun(("python samples/several_machines/ray_train.py",), "needs Ray, which is no dependency"),
    NotRun(("pip install", "python -m venv"), "needs a network, and changes the environment of the tests"),
    NotRun(("curl", "docker run"), "needs a model server that runs, or an image"),
)
