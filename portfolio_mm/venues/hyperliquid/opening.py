"""What is asked of the venue before the first quote, and the leverage that is set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from portfolio_mm import config
from portfolio_mm.types import Instrument, Universe
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import actions, parse
from portfolio_mm.venues.hyperliquid.client import Client
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.limits import ACTIONS_PER_DAY, full_jitter
from portfolio_mm.venues.hyperliquid.markets import list_universe
from portfolio_mm.venues.hyperliquid.parse import Parser
from portfolio_mm.venues.hyperliquid.transport import Lost, NotSent
from portfolio_mm.venues.hyperliquid.wire import Wire
from portfolio_mm.venues.hyperliquid.wire_account import (
    ClearinghouseState,
    Mode,
    PositionLeverage,
    SpotState,
)

T = TypeVar("T")

TRIES, BACKOFF_S, LONGEST_BACKOFF_S = 5, 0.5, 8.0
"""A question of the opening is repeated so often, after so long at first and at most."""


class ActiveAsset(Wire, frozen=True, kw_only=True):
    """How the account would trade an asset now."""

    leverage: PositionLeverage


ACTIVE_ASSET: Parser[ActiveAsset] = Parser("activeAssetData", ActiveAsset)


class Survey(NamedTuple):
    """The venue and the account as they were found."""

    mode: Mode
    universe: Universe
    states: dict[str, ClearinghouseState]  # of every dex that matters to the account
    spot: SpotState | None  # in the shared modes


async def patiently(rng: np.random.Generator, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer, a few times; raises `VenueError` where there is none."""
    for attempt in range(TRIES - 1):
        try:
            return await ask()
        except VenueError:
            await asyncio.sleep(full_jitter(rng, attempt, BACKOFF_S, LONGEST_BACKOFF_S))
    return await ask()


async def survey(
    client: Client, assets: Sequence[config.Asset], rng: np.random.Generator
) -> Survey:
    """Ask for the account's mode, the markets, the fees, the budgets and the balances.

    Raises
    ------
    VenueError
        When a part of it could not be read, or makes no sense.
    MarketError
        When assets cannot be traded as they were asked for.
    """

    async def ask(parser: Parser[T], kind: str, **about: str) -> T:
        return await patiently(rng, lambda: client.ask(parser, {"type": kind, **about}))

    async def clearinghouse(dex: str) -> ClearinghouseState:
        return await patiently(rng, lambda: client.clearinghouse(dex))

    mode = await ask(parse.ABSTRACTION, "userAbstraction", user=client.user)
    if mode.shared:
        client.limiter.daily(ACTIONS_PER_DAY)
    dexs = await ask(parse.PERP_DEXS, "perpDexs")
    metas = await ask(parse.ALL_PERP_METAS, "allPerpMetas")
    tokens = await ask(parse.SPOT_META, "spotMeta")
    fees = await ask(parse.USER_FEES, "userFees", user=client.user)
    await patiently(rng, client.count_requests)
    try:
        universe = list_universe(
            assets, dexs=dexs, metas=metas, tokens=tokens, fees=fees, mode=mode
        )
    except ParseError as error:
        raise VenueError(str(error)) from None
    ours = tuple(dict.fromkeys(universe.dex))
    named = tuple(dex.name if dex is not None else "" for dex in dexs)
    states = {dex: await clearinghouse(dex) for dex in (named if mode.shared else ours)}
    return Survey(
        mode=mode,
        universe=universe,
        states={dex: s for dex, s in states.items() if dex in ours or s.asset_positions},
        spot=await patiently(rng, client.spot) if mode.shared else None,
    )


async def set_leverage(
    client: Client, universe: Universe, rng: np.random.Generator
) -> tuple[str, ...]:
    """Give every asset the leverage and the kind of margin that the run wants, where they differ.

    Returns the venue's refusals, each with the name of the asset.

    Raises
    ------
    VenueError
        When one could not be read or set.
    """
    refusals = []
    for instrument in universe.instruments:

        async def agree(instrument: Instrument = instrument) -> str:
            return await _agree(client, instrument)

        refusal = await patiently(rng, agree)
        if refusal:
            refusals.append(f"{instrument.name}: {refusal}")
    return tuple(refusals)


async def _agree(client: Client, instrument: Instrument) -> str:
    """Set the leverage of one asset if it differs; return the venue's refusal, empty for none."""
    question = {"type": "activeAssetData", "user": client.user, "coin": instrument.name}
    now = (await client.ask(ACTIVE_ASSET, question)).leverage
    if now.value == instrument.leverage and (now.type == "isolated") == instrument.isolated:
        return ""
    action = actions.update_leverage(
        instrument.asset_id, instrument.leverage, cross=not instrument.isolated
    )
    try:
        return (await client.act(action)).refusal
    except (NotSent, Lost) as error:
        raise VenueError(f"{instrument.name}: leverage: {error}") from None
