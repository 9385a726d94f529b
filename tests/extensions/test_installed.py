import re
import sys

import pytest

from easymtl.extensions import ExtensionError, Layer, Loss, Table, find_extension, installed_names

LAYER = Layer("fake_layers:Clip")


def refused(says: str, kind: str = "layer", name: str = "Clip", own_names: tuple[str, ...] = ()):
    with pytest.raises(ExtensionError, match=re.escape(says)):
        find_extension(kind, name, own_names)


def test_a_name_leads_to_the_declaration_its_package_and_its_target(packages):
    packages.install("Clip", LAYER)
    found = find_extension("layer", "Clip")
    assert (found.name, found.package, found.version, found.declaration) == ("Clip", "team-models", "1.2.0", LAYER)
    assert found.title == 'layer "Clip" of team-models 1.2.0'
    packages.module("fake_layers", Clip=dict)
    assert found.target() is dict
    assert installed_names("layer") == {"Clip": "team-models 1.2.0"} and installed_names("loss") == {}


def test_a_name_that_is_not_there_lists_those_that_are(packages):
    refused('"Clip" is a layer of no installed package; there is no such package here. Install the package')
    packages.install("Clip", LAYER)
    refused(
        '"Clp" is a layer of no installed package; installed are "Clip" (team-models 1.2.0). Did you mean "Clip"?',
        name="Clp",
    )
    refused('"Clip" is a loss of no installed package; there is no', kind="loss")


def test_no_text_of_a_config_is_imported(packages, monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
    packages.install("Clip", LAYER)
    for name in ("os:system", "os.path", "fake_layers:Clip", "../x", "", "Clip "):
        refused("of no installed package", name=name)
    assert installed_names("layer")


def test_two_packages_of_one_name_are_both_named(packages):
    packages.install("Clip", LAYER)
    packages.install("Clip", LAYER, package="other", version="3")
    refused('"Clip" is registered by team-models 1.2.0 and by other 3: which layer is meant is not known.')


def test_a_name_of_ours_cannot_be_taken(packages):
    packages.install("MLP", LAYER)
    says = '"MLP" is a layer of easymtl\'s own, and team-models 1.2.0 registers the name too'
    refused(says, name="MLP", own_names=("MLP",))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no_such_module_here:X", "no_such_module_here:X fails with ModuleNotFoundError: No module named"),
        ("fake_ok:NOTHING", "fake_ok:NOTHING fails with AttributeError"),
        ("fake_ok:TEXT", "leads to a str, and needs easymtl.extend.Layer. Update the package."),
        ("fake_ok:LOSS", "leads to a Loss, and needs easymtl.extend.Layer."),
    ],
)
def test_a_broken_package_is_named_with_its_cause(packages, value, says):
    packages.module("fake_ok", TEXT="x", LOSS=Loss("a:b"))
    packages.register("layer", "Clip", value)
    refused('layer "Clip" of team-models 1.2.0 cannot be')
    refused(says)


def test_a_broken_package_does_not_disturb_the_others(packages):
    packages.register("layer", "Broken", "no_such_module_here:X", package="broken")
    packages.install("Clip", LAYER)
    assert find_extension("layer", "Clip").declaration is LAYER
    assert "no_such_module_here" not in sys.modules


def test_a_name_that_cannot_stand_in_a_config_is_refused(packages):
    packages.module("fake_ok", LAYER=LAYER)
    packages.register("layer", "a b", "fake_ok:LAYER")
    refused("a name may hold letters, digits and _ only", name="a b")


@pytest.mark.parametrize("target", ["no_such_module_here:X", "fake_ok:X"])
def test_a_target_that_is_not_there_is_told_with_its_package(packages, target):
    packages.module("fake_ok")
    packages.install("Clip", Layer(target))
    with pytest.raises(
        ExtensionError, match=f'layer "Clip" of team-models 1.2.0 cannot be loaded: {target} fails with'
    ):
        find_extension("layer", "Clip").target()


def test_a_table_has_our_rows_and_those_of_packages_behind_them(packages):
    table = Table("layer", {"MLP": 1}, lambda extension: extension.package)
    packages.install("Clip", LAYER)
    assert table.names == ["MLP", "Clip"] and list(table) == ["MLP"]
    assert table.find("MLP") == table["MLP"] == 1
    assert table.find("Clip") == table["Clip"] == "team-models"
    with pytest.raises(ExtensionError, match="of no installed package"):
        table.find("Other")
    packages.install("MLP", LAYER)
    assert table["MLP"] == 1 and table.names == ["MLP", "Clip"]
    with pytest.raises(ExtensionError, match="of easymtl's own"):
        table.find("MLP")
