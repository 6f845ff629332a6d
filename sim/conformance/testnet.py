"""Cards at the testnet, with keys that are given in the environment."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount
from hyperliquid.utils.constants import TESTNET_API_URL

from sim.conformance.desk import Wish
from sim.conformance.moves import price
from sim.conformance.sdk import SdkBench, SdkDesk

AWAY = 0.05
"""How far from the mark a position is closed at worst."""


class TestnetBench(SdkBench):
    """The testnet, left without orders and positions of ours in the markets of a card."""

    __test__ = False

    def __init__(self, markets: Sequence[str], keys: Sequence[str]) -> None:
        left = iter(keys)
        self._markets = markets
        self._desks: list[SdkDesk] = []
        super().__init__(TESTNET_API_URL, markets, lambda: next(left))

    def sdk_desk(self, wallet: LocalAccount, **whose: str) -> SdkDesk:
        """Return the desk of a key, and remember to clear it."""
        desk = super().sdk_desk(wallet, **whose)
        self._desks.append(desk)
        return desk

    def missing(self) -> list[str]:
        """Return the markets that are not listed there."""
        return [name for name in self._markets if name not in self.info.coin_to_asset]

    def close(self) -> None:
        """Cancel every order, close every position, and leave."""
        try:
            for desk in self._desks:
                for coin in self._markets:
                    self._clear(desk, coin)
        finally:
            super().close()

    def _clear(self, desk: SdkDesk, coin: str) -> None:
        orders = self.info.open_orders(desk.address, coin.rpartition(":")[0])
        own = [int(order["oid"]) for order in orders if order["coin"] == coin]
        if own:
            desk.cancel(coin, *own)
        held = desk.held(coin).size
        if held:
            at = price(self, coin, -AWAY if held > 0 else AWAY)
            desk.place(Wish(coin, held < 0, abs(held), at, "Ioc", reduce_only=True))
