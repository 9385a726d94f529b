"""What the training step of each sample config copies between a GPU and the host, on any machine.

    python -m benchmarks.placement [CONFIG ...]

Nothing is trained: TensorFlow cuts the traced step between the host and a stand-in for a GPU, see
`easymtl.serving.step_placement`. Without a config those of samples/configs are looked at, each in a process of its own.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from easymtl.config import load_config
from easymtl.serving.placement import Placement

CONFIGS = Path("samples/configs")


def line(name: str, found: Placement) -> str:
    """Returns a row of a table."""
    counts = (found.on_device, len(found.on_host), found.pinned, len(found.up), len(found.down), len(found.between))
    return f"| {name} | {' | '.join(map(str, counts))} | {named(found.down)} | {named(found.between)} |"


def named(tensors: Sequence[str]) -> str:
    """Returns what tensors are made by, and how many are by each: `Where 2, Cast`."""
    kinds = Counter(text.partition("(")[2].replace(")", "", 1) for text in tensors)
    return ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in kinds.items())


def main() -> None:
    """Prints a table, or all names for a single config."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--row", action="store_true", help="print the row of a table alone")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="overrides of the config")
    options = parser.parse_args()
    if len(options.configs) == 1:
        from easymtl.serving.step_placement import placement_of_step

        found = placement_of_step(load_config(str(options.configs[0]), options.set).pipeline)
        print(line(options.configs[0].stem, found), flush=True)
        if not options.row:
            for kind, names in found.document().items():
                print(f"{kind}:", names if isinstance(names, int) else "".join(f"\n    {name}" for name in names))
        return
    print("| step | device | host | cpu | up | down | between | comes down | keeps the GPU waiting |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    overrides = [part for text in options.set for part in ("--set", text)]
    for config in options.configs or sorted(CONFIGS.glob("*.config")):
        command = [sys.executable, "-m", "benchmarks.placement", str(config), "--row", *overrides]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
