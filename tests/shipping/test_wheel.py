"""What is published holds the compiled protos, and answers where there is nothing but Python."""

import zipfile

import pytest

import easymtl
from tests.shipping import wheel as wheels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("build")
    return wheels.build(tmp_path_factory.mktemp("dist"))


def test_the_source_distribution_holds_what_a_build_needs(built):
    assert wheels.faults_of_source(built[0]) == []


def test_the_wheel_holds_the_package_with_its_compiled_protos_and_nothing_else(built):
    assert wheels.faults_of_wheel(built[1]) == []


def test_what_is_missing_and_what_is_too_much_are_found(built, tmp_path):
    path = tmp_path / built[1].name
    with zipfile.ZipFile(built[1]) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed:
        for name in whole.namelist():
            if name != "easymtl/protos/model_pb2.py":
                changed.writestr(name, whole.read(name))
        changed.writestr("tests/test_cli.py", "")
    missing, unwanted = wheels.faults_of_wheel(path)
    assert missing == f"{path.name} has no easymtl/protos/model_pb2.py"
    assert unwanted == f"{path.name} should not have tests/test_cli.py"


def test_the_wheel_answers_in_a_bare_environment(built, tmp_path):
    programs = wheels.install(built[1], tmp_path)
    first, second = wheels.run(programs, "--version").splitlines()
    assert first == f"easymtl {easymtl.__version__}"
    assert "TensorFlow not installed, protobuf not installed" in second, "nothing but the wheel is there"
    assert "usage: easymtl" in wheels.run(programs, "--help")
    assert "usage: easymtl train" in wheels.run(programs, "train", "--help")
    # What is broken there is told, and nothing breaks on the way.
    with pytest.raises(RuntimeError, match="ends with 1") as broken:
        wheels.run(programs, "doctor")
    said = str(broken.value)
    assert "Traceback" not in said
    assert "broken  tensorflow: is not installed" in said and "No module named 'tensorflow'" in said
