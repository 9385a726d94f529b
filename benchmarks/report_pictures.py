"""The pictures of `docs/guides/report.md`: a report in a real browser, light, dark, narrow.

    python -m benchmarks.report_pictures         # trains three sample configs and a study of one for it, many minutes
    python -m benchmarks.report_pictures MODEL_DIR ... [--gated DIR] [--study DIR] [--by A,B] [--input PATHS]

The second takes pictures of what is named: two runs side by side, one with gates, a study of `easymtl tune`.

Needs playwright and Chromium (Debian: apt-get install chromium). Pictures are kept small: few colours, and no more
than what is told of. A page that is wider than the window, or says something to the console, is an error.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.accuracy import train
from benchmarks.sample_data import CONFIGS, ROOT, data_overrides
from easymtl.reporting.report import write_report
from easymtl.reporting.runs import Wishes
from easymtl.reporting.study_page import write_study_report

IMAGES = ROOT / "docs" / "images"
_NAMES = ("dbmtl_on_livestream", "pepnet_on_livestream")
_GATED = "home_on_livestream"
_ROWS, _EVAL_ROWS = 200_000, 40_000
_OFTEN = (
    "train_config.num_steps=380",
    "train_config.save_checkpoints_steps=60",
    "train_config.log_step_count_steps=5",
    "train_config.log_gradient_conflict_every=10",
)
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_COLOURS = 96
_STUDIED = "auc_is_view,auc_is_on_mic"


class Picture(NamedTuple):
    """A part of the page.

    Attributes:
        name: of the file.
        part: `id` of the section that it begins with.
        width: of the window, in pixels.
        height: of the picture.
        scheme: `light` or `dark`.
    """

    name: str
    part: str
    width: int
    height: int
    scheme: str


PICTURES = (
    Picture("report_metrics.png", "metrics", 1100, 820, "light"),
    Picture("report_curves.png", "curves", 1400, 800, "dark"),
    Picture("report_network.png", "network", 900, 760, "light"),
    Picture("report_phone.png", "learning", 360, 720, "light"),
)
GATED_PICTURES = (
    Picture("report_gates.png", "gates", 1000, 690, "light"),
    Picture("report_segments.png", "segments", 700, 560, "light"),
)
STUDY_PICTURES = (
    Picture("report_study.png", "front", 760, 750, "light"),
    Picture("report_study_phone.png", "tried", 360, 720, "dark"),
)


def make_runs(folder: Path, names: Sequence[str] = _NAMES) -> list[str]:
    """Trains sample configs, short and often looked at, and returns their folders."""
    runs = []
    for name in names:
        print(f"training {name}", flush=True)
        train(
            CONFIGS / f"{name}.config",
            [*data_overrides(name, _ROWS, _EVAL_ROWS, folder / "data"), *_OFTEN],
            folder / name,
        )
        runs.append(str(folder / name))
    return runs


def make_study(folder: Path) -> str:
    """Searches weights of tasks for one of the configs, short trainings, and returns the folder of the study."""
    print("searching", flush=True)
    study, name = folder / "study", _NAMES[0]
    overrides = [*data_overrides(name, _ROWS, _EVAL_ROWS, folder / "data"), *_OFTEN]
    sets = [part for one in overrides for part in ("--set", one)]
    command = [sys.executable, "-m", "easymtl", "tune", str(CONFIGS / f"{name}.config"), "--study", str(study), *sets]
    command += ["--space", str(ROOT / "samples/tune/weights.textproto"), "--trials", "16"]
    subprocess.run([*command, "--metric", _STUDIED], check=True, cwd=ROOT)
    return str(study)


def take(page: Path, out: Path, pictures: Sequence[Picture] = PICTURES) -> None:
    """Takes the pictures of a page.

    Raises:
        SystemExit: there is no browser, or the page is not as it should be.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("There is no Chromium (Debian: apt-get install chromium).")
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        for one in pictures:
            tab = browser.new_page(viewport={"width": one.width, "height": one.height}, color_scheme=one.scheme)
            said: list[str] = []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.goto(page.as_uri())
            wide = tab.evaluate("document.documentElement.scrollWidth")
            if said or wide > one.width:
                sys.exit(f"{one.name}: the page is {wide} pixels wide in {one.width}, and says {said}.")
            _save(_cut(tab, one), out / one.name)
            tab.close()
        browser.close()


def _cut(tab: Any, one: Picture) -> bytes:
    top = tab.evaluate("id => document.getElementById(id).getBoundingClientRect().top + scrollY", one.part)
    clip = {"x": 0, "y": top, "width": one.width, "height": one.height}
    return tab.screenshot(full_page=True, clip=clip)


def _save(picture: bytes, path: Path) -> None:
    """Writes a picture in few colours, of which those of small marks are some."""
    from PIL import Image

    Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(
        path, optimize=True
    )
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the report and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dirs", nargs="*", metavar="MODEL_DIR", help="trainings; default: two are made")
    parser.add_argument("--gated", help="training of a model with gates; default: one is made if no other is named")
    parser.add_argument("--study", help="folder of easymtl tune; default likewise")
    parser.add_argument("--by", default="room_type", help="columns of the segments")
    parser.add_argument("--input", help="evaluation data; default: those of each config")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args(arguments)
    is_all = not (options.model_dirs or options.gated or options.study)
    wishes = Wishes(input=options.input, by=options.by.split(","))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "report.html"
        if runs := make_runs(folder) if is_all else options.model_dirs:
            write_report(runs, page, wishes)
            take(page, options.out, PICTURES)
        if gated := make_runs(folder, [_GATED])[0] if is_all else options.gated:
            write_report([gated], page, wishes)
            take(page, options.out, GATED_PICTURES)
        if study := make_study(folder) if is_all else options.study:
            write_study_report(study, page)
            take(page, options.out, STUDY_PICTURES)


if __name__ == "__main__":
    main()
