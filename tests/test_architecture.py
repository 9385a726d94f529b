"""The house: what may import what, and what an architecture consists of."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from google.protobuf import text_format

from easymtl.config import view
from easymtl.protos import options_pb2
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "easymtl"
# Each room may use those above it.
ROOMS = [
    "protos",
    "extensions",
    "config",
    "convert",
    "data",
    "drafting",
    "peers",
    "layers",
    "features",
    "models",
    "tasks",
    "extend",
    "scoring",
    "checkpoints",
    "training",
    "serving",
    "server",
    "ways",
    "reporting",
    "api",
    "following",
    "tuning",
    "doctor",
    "launch",
    "planning",
    "verbs",
    "cli",
]
# In no line of the house: everyone may use `errors`, only the verbs and what they call `synth`.
MODULES = sorted(
    path.relative_to(ROOT)
    for path in PACKAGE.rglob("*.py")
    if "protos" not in path.parts and path.name != "__main__.py"
)


# What a checkout runs beside the package.
SCRIPTS = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "setup.py", *(ROOT / "samples").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"))
)
RUNS_CODE = ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy.run_path", "yaml.load")
UNPACKS_CODE = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "cloudpickle"}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> Iterator[str]:
    """Yields the full names of all modules that a file imports, inside of functions too."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            is_room = node.module == "easymtl"
            yield from (f"easymtl.{alias.name}" for alias in node.names) if is_room else (node.module,)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_up_the_list_only(path):
    room = path.with_suffix("").parts[1]
    if room == "__init__":
        # It names what programs use, and imports it when it is used: see tests/api/test_lazy.py.
        room = "verbs"
    for module in imports(path):
        used = room_of(module)
        if not module.startswith("easymtl.") or used in ("errors", "__version__", room):
            continue
        if "synth" in (room, used):
            assert (room, used) in {("verbs", "synth"), ("api", "synth"), ("synth", "errors")}, (
                f"{path} imports {module}"
            )
        else:
            assert ROOMS.index(used) < ROOMS.index(room), f"{path} imports {module}"


def runs_code(source: str) -> list[str]:
    """Returns the calls of a source that may run code which data or a config brings."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            words = {word.arg: ast.unparse(word.value) for word in node.keywords}
            is_shell = words.get("shell", "False") != "False" or words.get("allow_pickle", "False") != "False"
            if is_shell or called in RUNS_CODE or called.endswith(".yaml.load"):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=str)
def test_no_code_is_run_that_data_or_a_config_brings(path):
    assert not UNPACKS_CODE & {name.split(".")[0] for name in imports(path)}
    assert runs_code((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "exec(text)",
        "compile(text, 'f', 'exec')",
        "os.system(text)",
        "yaml.load(text)",
        "subprocess.run(text, shell=True)",
        "np.load(path, allow_pickle=True)",
        "print(f(eval)(eval(text)))",
    ],
)
def test_a_call_that_runs_code_is_found(line):
    assert runs_code(f"def f():\n    {line}\n")


def test_what_only_looks_like_it_is_not():
    assert runs_code("re.compile(text)\nnp.load(path, allow_pickle=False)\nyaml.safe_load(text)") == []


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_keras(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Attribute) and ast.unparse(node).startswith("tf.keras")), f"{path}"
    # Ours are layers that stand for those of Keras, and the messages of their parameters.
    assert not any("keras" in name for name in imports(path) if not name.startswith("easymtl."))


def test_config_data_and_synth_do_not_import_tensorflow():
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if path.with_suffix("").parts[1] in ("extensions", "extend", "config", "convert", "data", "drafting", "synth")
    ]
    program = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "sys.exit('TensorFlow is imported' if 'tensorflow' in sys.modules else 0)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def built_architectures() -> list[str]:
    """Returns the members of the model oneof that are neither refused, nor still to come, nor what packages bring."""
    members = ModelConfig.DESCRIPTOR.oneofs_by_name["model"].fields
    closed = (options_pb2.refused, options_pb2.later)
    found = [member.name for member in members if not any(member.GetOptions().Extensions[option] for option in closed)]
    return [name for name in found if name != "custom"]


def test_every_architecture_that_a_config_may_name_is_built_and_no_other():
    from easymtl.models import MODELS

    assert sorted(MODELS) == sorted(built_architectures())


SAMPLES = sorted(ROOT.glob("samples/configs/*.config"))


@cache
def parsed(path: Path) -> Pipeline:
    return text_format.Parse(path.read_text(), Pipeline())


@pytest.mark.parametrize("member", built_architectures())
def test_every_architecture_has_one_file_one_test_and_a_sample_config(member):
    from easymtl.models import MODELS

    assert member in {view.model_name(parsed(path)) for path in SAMPLES}
    assert MODELS[member].__name__.lower() == member.replace("_", "")
    assert MODELS[member].__module__ == f"easymtl.models.{member}"
    assert (ROOT / "tests" / "models" / f"test_{member}.py").is_file()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_configs_are_named_after_model_and_data(path):
    pipeline = parsed(path)
    # Those of the guide for users of Merlin say so in front, and what reads histories stands behind the model.
    name, model = path.stem.removeprefix("merlin_").split("_on_")[0], view.model_name(pipeline)
    # A block graph is named after what it is.
    assert f"{name}_".startswith(f"{model}_") or model == "model_params"


SECTIONS = ("Args:", "Attributes:", "Returns:", "Raises:", "Yields:", "Example:")


def badly_indented(source: str) -> list[str]:
    """Returns the first line of each docstring section that is not indented by four."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            lines = text.split("\n")
            for line, following in pairwise(lines):
                if line in SECTIONS and not re.match(r" {4}\S", following):
                    found.append(following)
    return found


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=str)
def test_sections_of_docstrings_are_indented_by_four(path):
    assert not badly_indented((ROOT / path).read_text(encoding="utf-8"))


def test_a_section_indented_by_two_is_found():
    assert badly_indented('def f():\n    """One.\n\n    Args:\n      x: two.\n    """\n') == ["  x: two."]
