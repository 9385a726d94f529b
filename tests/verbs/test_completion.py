"""The scripts of `easymtl completion` are well-formed, and bash completes with them."""

import shutil
import subprocess

import pytest

from easymtl.cli import build_parser, main

pytest.importorskip("shtab")
BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def scripts():
    from easymtl.verbs.completion import SHELLS, script

    return {shell: script(build_parser(), shell) for shell in SHELLS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for name in ("shop.config", "notes.txt"):
        (folder / name).write_text("")
    (folder / "model_dir").mkdir()
    return folder


def completed(scripts, folder, line):
    """Returns what bash offers for the last word of a line."""
    words = line.split(" ")
    program = (
        f"{scripts['bash']}\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9\n'
        "function=$(complete -p easymtl | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        '"$function"; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    command = [BASH, "-c", program, "bash", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.split("\n")) - {""}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_its_flags_are_in_every_script(scripts, shell):
    for name, verb in build_parser().verbs.items():
        assert name in scripts[shell]
        for flag in verb._option_string_actions:
            assert (flag if shell != "fish" else flag.lstrip("-")) in scripts[shell], (name, flag)


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_well_formed(scripts, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run([program, "-n"], input=scripts[shell], text=True, check=True, capture_output=True)


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("easymtl tr", {"train"}),
        ("easymtl imp", {"importance", "import-checkpoint"}),
        ("easymtl export --since", {"--since"}),
        ("easymtl eval --checkp", {"--checkpoint"}),
        ("easymtl eval --checkpoint ", {"latest", "best"}),
        ("easymtl synth f", {"funnel", "feed"}),
        ("easymtl completion ", {"bash", "zsh", "fish"}),
        ("easymtl follow --late ", {"skip", "train"}),
        ("easymtl follow --export ", {"full", "delta", "none"}),
        ("easymtl train --pipeline_config s", {"shop.config"}),
        # A config is in the current folder, or below it.
        ("easymtl train --pipeline_config ", {"shop.config", "model_dir"}),
        # So it is where it is named without a flag, as in the README.
        ("easymtl train ", {"shop.config", "model_dir"}),
        ("easymtl init no", {"notes.txt"}),
        ("easymtl init --like ", {"shop.config", "model_dir"}),
        ("easymtl compare sh", {"shop.config"}),
        ("easymtl compare shop.config mo", {"model_dir"}),
        ("easymtl predict --input no", {"notes.txt"}),
        ("easymtl serve mo", {"model_dir"}),
        ("easymtl doctor --model_dir ", {"model_dir"}),
    ],
)
def test_bash_completes(scripts, folder, line, offers):
    assert completed(scripts, folder, line) == offers


def test_the_command_prints_the_script(capsys, scripts):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == scripts["bash"]


def test_an_unknown_shell_has_a_nearest_name(capsys):
    assert main(["completion", "bahs"]) == 2
    error = capsys.readouterr().err
    assert error == 'easymtl completion: SHELL "bahs" is none of "bash", "zsh", "fish". Did you mean "bash"?\n'


def test_a_parser_that_was_completed_takes_what_it_took():
    from easymtl.verbs.completion import script

    script(parser := build_parser(), "bash")
    assert build_parser().parse_args(["eval", "--pipeline_config", "x", "--checkpoint", "7"]).checkpoint == "7"
    assert parser.verbs["eval"] is not build_parser().verbs["eval"]
