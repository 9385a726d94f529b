from hypothesis import settings

pytest_plugins = ["tests.processes"]

# The same examples in every run: what a run of the tests finds must not depend on luck.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
