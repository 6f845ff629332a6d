"""The cards, by subject; importing a module writes its cards."""

from sim.conformance.card import CARDS
from sim.conformance.cards import (
    accounts,
    budgets,
    changing,
    grid,
    margin,
    money,
    reducing,
    requests,
    signing,
    stream,
    switch,
    taking,
)

SUBJECTS = (
    grid,
    taking,
    reducing,
    changing,
    requests,
    budgets,
    margin,
    accounts,
    money,
    switch,
    signing,
    stream,
)

ALL = {
    card.name: card
    for subject in SUBJECTS
    for card in CARDS.values()
    if card.check.__module__ == subject.__name__
}
"""Every card by its name, in the order of the subjects."""
