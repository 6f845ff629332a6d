"""The page of the conformance table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim.conformance.card import TARGETS, Card, Target
from sim.conformance.run import KEYS, Result, Verdict

Results = Mapping[tuple[str, Target], Result]

TEXT = """\
# Conformance

Each card is one behaviour of the venue and a check of it. The same check runs against three
targets: the **embedded** exchange, called in process; the local **server** (`pmm venue`), through
the venue's own Python client, unmodified, over real sockets; and the **testnet**, through the same
client, with one or two private keys in `{keys}`. Frames of the websocket are read
without that client, which drops acknowledgements and errors.

*Known* says how we know that the venue itself behaves so. *Documented*: its documentation says it.
*Measured*: somebody has seen it there, an error text for instance. *Not verified*: the documents
are silent or contradict each other, and the simulation takes one reading: mostly the one that costs
us more, as where resting orders on opposite sides reserve margin each (MARGIN-3), but not where
orders that only reduce a position reserve none (MARGIN-4). Such a card shows what the engine is
tested against, and nothing about the venue. § is the section of VENUE.

| target | {heads} |
|---|{lines}|
{counts}

| card | behaviour | § | known | embedded | server | testnet |
|---|---|--:|---|---|---|---|
{rows}

{notes}
"""

ORDER: tuple[Verdict, ...] = ("holds", "fails", "differs", "not applicable", "not run")
FOOTNOTES = ("fails", "differs", "not applicable")


def page(cards: Mapping[str, Card], results: Results) -> str:
    """Return the page of some results."""
    notes: dict[str, int] = {}

    def cell(result: Result) -> str:
        if result.verdict not in FOOTNOTES:
            return result.verdict
        number = notes.setdefault(result.reason, len(notes) + 1)
        return f"{result.verdict} [{number}]"

    rows = [
        " | ".join(
            (
                f"| {card.name}",
                card.behaviour,
                str(card.section),
                card.evidence,
                *(cell(results[card.name, target]) for target in TARGETS),
            )
        )
        + " |"
        for card in cards.values()
    ]
    counts = {t: Counter(results[name, t].verdict for name in cards) for t in TARGETS}
    shown = [verdict for verdict in ORDER if any(counts[t][verdict] for t in TARGETS)]
    return TEXT.format(
        keys=KEYS,
        heads=" | ".join(shown),
        lines="|".join(["--:"] * len(shown)),
        counts="\n".join(
            f"| {t} | " + " | ".join(str(counts[t][verdict]) for verdict in shown) + " |"
            for t in TARGETS
        ),
        rows="\n".join(rows),
        notes="\n".join(f"{number}. {reason}" for reason, number in notes.items()),
    )
