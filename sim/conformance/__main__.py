"""The command `python -m sim.conformance`: run the cards and write their table."""

from __future__ import annotations

import json as text
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from sim.conformance.card import TARGETS, Target
from sim.conformance.page import page
from sim.conformance.run import CARDS, Result, run

app = App(name="python -m sim.conformance", help="Check what the venue is like.")


@app.default
def conformance(
    *,
    target: Target | None = None,
    write: Path | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Run every card and say what came of it.

    Parameters
    ----------
    target
        Where to run them, everywhere if left out.
    write
        File for the table; it needs every target.
    json
        Print the results as JSON on standard output.
    """
    if write is not None and target is not None:
        sys.stderr.write("--write needs every target: leave --target out\n")
        return 2
    results: dict[tuple[str, Target], Result] = {}
    for at in TARGETS if target is None else (target,):
        for card in CARDS.values():
            result = results[card.name, at] = run(card, at)
            if not json:
                _say(f"{at:9} {card.name:11} {result.verdict:15} {result.reason}")
    if json:
        rows = [
            {"card": name, "target": at, "verdict": result.verdict, "reason": result.reason}
            for (name, at), result in results.items()
        ]
        _say(text.dumps(rows, indent=1))
    if write is not None:
        write.write_text(page(CARDS, results))
    return int(any(result.verdict == "fails" for result in results.values()))


def _say(line: str) -> None:
    sys.stdout.write(line.rstrip() + "\n")


if __name__ == "__main__":
    sys.exit(app())
