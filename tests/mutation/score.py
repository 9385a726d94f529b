"""The score of a run: how many of the mutants were noticed, by module."""

import json
from collections import defaultdict
from pathlib import Path

EQUIVALENT = Path(__file__).with_name("equivalent.txt")


def read_equivalent(path: Path = EQUIVALENT) -> dict[str, str]:
    """Returns the reasons why no test can notice a mutant, by its identity.

    A line that begins at the margin is an identity, indented ones below it are the reason, `#` begins a comment.

    Raises:
        ValueError: If a mutant has no reason, or two of them.
    """
    reasons: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] != " ":
            if line in reasons:
                raise ValueError(f"{path}:{number}: the mutant is named a second time")
            reasons[line] = ""
        elif not reasons:
            raise ValueError(f"{path}:{number}: a reason, and no mutant above it; mutants begin at the margin")
        else:
            last = next(reversed(reasons))
            reasons[last] = f"{reasons[last]} {line.strip()}".strip()
    for identity, reason in reasons.items():
        if not reason:
            raise ValueError(f"{path}: no reason below {identity}; write why no test can notice it, indented")
    return reasons


def write(path: Path, settings: dict, tried: list[dict]) -> None:
    """Writes what was tried, as JSON, one mutant a line."""
    rows = ",\n".join("  " + json.dumps(row) for row in sorted(tried, key=lambda row: row["identity"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings)[:-1] + f', "tried": [\n{rows}\n]}}\n', encoding="utf-8")


def table(tried: list[dict], equivalent: dict[str, str]) -> str:
    """Returns the score of each module and of all, as a Markdown table."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in tried:
        outcome = "equivalent" if row["identity"] in equivalent else row["outcome"]
        for name in (row["module"], "all"):
            counts[name][outcome] += 1
    lines = ["| Module | tried | equivalent | killed | survived | score |", "|---|---|---|---|---|---|"]
    for name in [*sorted(set(counts) - {"all"}), "all"]:
        each = counts[name]
        judged = each["killed"] + each["survived"]
        share = f"{100 * each['killed'] / judged:.0f} %" if judged else ""
        numbers = [judged + each["equivalent"], each["equivalent"], each["killed"], each["survived"]]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {share} |")
    return "\n".join(lines)
