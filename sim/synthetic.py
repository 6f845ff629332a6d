"""A small synthetic market for tests and benchmarks: symmetric books on a correlated random walk.

No exchange and no orders: inputs of the quote cycle, explicit and seeded.
"""

from __future__ import annotations

import msgspec
import numpy as np

from portfolio_mm import config as configuration
from portfolio_mm.types import (
    NS,
    AccountState,
    Floats,
    Instrument,
    MarginTier,
    MarketSnapshot,
    OpenOrders,
    Orders,
    Trades,
    Universe,
)
from portfolio_mm.venues.settings import Embedded

start = 1_760_000_000 * NS

ORDER_COLUMNS = ("asset", "side", "level", "units", "lots")


def universe(n: int, isolated: tuple[int, ...] = ()) -> Universe:
    """Return N instruments that differ in decimals and size."""
    return Universe(
        instruments=tuple(
            Instrument(
                name=f"xyz:T{i}",
                asset_id=110_000 + i,
                sz_decimals=2 + i % 3,
                tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
                leverage=10,
                isolated=i in isolated,
                pool=0,
                maker_fee=3e-5,
                taker_fee=9e-5,
                size_usd=1500.0 + 500.0 * (i % 4),
            )
            for i in range(n)
        ),
        pools=("xyz",),
    )


def config(instruments: Universe, **sections: msgspec.Struct) -> configuration.Config:
    """Return a configuration for the universe; sections replace the defaults."""
    assets = tuple(
        configuration.Asset(
            name=i.name,
            leverage=i.leverage,
            size_usd=i.size_usd,
            isolated_margin_usd=2000.0 if i.isolated else 0.0,
        )
        for i in instruments.instruments
    )
    base = configuration.Config(
        name="synthetic",
        venue=Embedded(seed=1, hours=1.0, deposit_usd=1e5),
        account=configuration.Account(margin_buffer=0.2),
        assets=assets,
        governor=configuration.Governor(
            volatility_budget=0.01, kelly_fraction=0.25, max_drawdown=0.1
        ),
    )
    return msgspec.structs.replace(base, **sections)


def prices(n: int) -> Floats:
    """Return prices of different magnitudes, (N,)."""
    price: Floats = 20.0 * np.power(1.9, np.arange(n) % 12)
    return price


def trades(rows: list[tuple[int, int, float, float, int]]) -> Trades:
    """Return prints from (asset, side, price, size, time)."""
    columns = list(zip(*sorted(rows, key=lambda row: row[4]), strict=True)) or [()] * 5
    return Trades(
        asset=np.array(columns[0], dtype=np.int64),
        side=np.array(columns[1], dtype=np.int64),
        price=np.array(columns[2], dtype=np.float64),
        size=np.array(columns[3], dtype=np.float64),
        time_ns=np.array(columns[4], dtype=np.int64),
    )


def snapshot(
    time_ns: int,
    price: Floats,
    prints: Trades | None = None,
    half_spread: float = 2e-4,
    depth: int = 5,
) -> MarketSnapshot:
    """Return symmetric books around `price` (N,), a tenth of a second old."""
    n = len(price)
    steps = half_spread * (1.0 + np.arange(depth))
    size = np.full((n, depth), 1e4) / price[:, None]
    return MarketSnapshot(
        time_ns=time_ns,
        status=np.zeros(n, dtype=np.int64),
        book_time_ns=np.full(n, time_ns - NS // 10),
        bid_price=price[:, None] * (1.0 - steps),
        bid_size=size,
        ask_price=price[:, None] * (1.0 + steps),
        ask_size=size,
        mark=price.copy(),
        oracle=price.copy(),
        funding=np.zeros(n),
        settlement_ns=(time_ns // (3600 * NS) + 1) * 3600 * NS,
        trades=prints if prints is not None else trades([]),
    )


def no_orders() -> OpenOrders:
    """Return the orders of an account without any."""
    ints = np.zeros(0, dtype=np.int64)
    return OpenOrders(
        cloid=(),
        asset=ints,
        side=ints,
        level=ints,
        units=ints,
        lots=ints,
        queue=np.zeros(0),
        time_ns=ints,
    )


def resting(orders: Orders) -> OpenOrders:
    """Return new orders as they rest, at the front of their queues."""
    new = orders.places
    ints = [np.array([getattr(o, name) for o in new], dtype=np.int64) for name in ORDER_COLUMNS]
    asset, side, level, units, lots = ints
    return OpenOrders(
        cloid=tuple(order.cloid for order in new),
        asset=asset,
        side=side,
        level=level,
        units=units,
        lots=lots,
        queue=np.zeros(len(new)),
        time_ns=np.full(len(new), orders.time_ns),
    )


def account(
    time_ns: int, position: Floats, price: Floats, equity: float = 1e5, requests: float = 1e9
) -> AccountState:
    """Return an account with one pool at leverage ten, and requests to spare."""
    n = len(position)
    return AccountState(
        time_ns=time_ns,
        position=position,
        entry_price=np.where(position != 0, price, 0.0),
        mark=price.copy(),
        isolated_margin=np.zeros(n),
        equity=np.array([equity]),
        position_margin=np.array([np.abs(position * price).sum() / 10.0]),
        order_margin=np.zeros(1),
        maintenance=np.zeros(1),
        funding_paid=np.zeros(n),
        orders=no_orders(),
        address_requests=requests,
        ip_weight=1200.0,
    )


def path(n: int, steps: int, seed: int) -> list[MarketSnapshot]:
    """Return a correlated random walk with takers, one snapshot a second."""
    rng = np.random.default_rng(seed)
    price = prices(n)
    factor = rng.normal(size=steps)
    snapshots = []
    for step in range(steps):
        time_ns = start + step * NS
        price = price * np.exp(1.2e-4 * (0.7 * factor[step] + 0.7 * rng.normal(size=n)))
        rows = []
        for asset, side in zip(*np.nonzero(rng.random((n, 2)) < 0.3), strict=True):
            sign = 1 if side else -1
            reach = rng.exponential(5e-4)
            moment = time_ns - int(rng.integers(1, NS))
            rows.append((int(asset), sign, price[asset] * (1 + sign * reach), 1.0, moment))
        snapshots.append(snapshot(time_ns, price, trades(rows)))
    return snapshots
