"""Addresses and the exchange's accounts behind them, with a faucet for newcomers."""

from __future__ import annotations

from portfolio_mm.venues.settings import Server
from sim.exchange import transfers
from sim.exchange.account import Account
from sim.exchange.exchange import Exchange
from sim.exchange.holdings import Mode
from sim.exchange.matching import NOBODY
from sim.exchange.messages import MICRO
from sim.market.listing import DEXES
from sim.server.users import Users

NO_ADDRESS = "0x" + "0" * 40

FAUCET_ACCOUNTS = 10_000
"""Accounts after which the faucet runs dry, so that asking about addresses stays harmless."""


class Members:
    """Who has an account.

    An address without one is shown the empty account; the treasury collects what users pay to the
    venue itself.
    """

    def __init__(self, exchange: Exchange, users: Users, settings: Server) -> None:
        self._exchange = exchange
        self._users = users
        self._settings = settings
        self._owners: dict[str, int] = {}
        self._addresses: dict[int, str] = {NOBODY: NO_ADDRESS}
        self.nobody = exchange.open_user("standard", 0.0)
        self.treasury = exchange.open_user("standard", 0.0)
        self._addresses[self.nobody] = self._addresses[self.treasury] = NO_ADDRESS

    def __len__(self) -> int:
        """Return the number of accounts."""
        return len(self._owners)

    def address(self, owner: int) -> str:
        """Return the address of an account."""
        return self._addresses[owner]

    def find(self, address: str) -> int | None:
        """Return the account of an address, None if it has none."""
        return self._owners.get(address)

    def account(self, owner: int) -> Account:
        """Return an account."""
        return self._exchange.accounts[owner]

    def meet(self, address: str, now_ns: int) -> int | None:
        """Return the account of an address; where the faucet runs, a newcomer gets one."""
        owner = self._owners.get(address)
        is_agent = self._users.agent(address) is not None
        runs = self._settings.faucet_usd > 0 and len(self) < FAUCET_ACCOUNTS
        if owner is None and runs and not is_agent:
            owner = self.open(address, self._settings.account)
            amount = round(self._settings.faucet_usd * MICRO)
            places = ["spot", *(dex.name for dex in DEXES)]
            if self._settings.account == "unified":
                places = places[:1]
            for place in places:
                transfers.credit(self._exchange, owner, place, amount, now_ns)
        return owner

    def shown(self, address: str, now_ns: int) -> int:
        """Return the account that is shown for an address, the empty one if it has none."""
        owner = self.meet(address, now_ns)
        return self.nobody if owner is None else owner

    def open(self, address: str, mode: Mode, master: int | None = None) -> int:
        """Open an empty account for an address and return it."""
        owner = self._exchange.open_user(mode, self._settings.requests, master=master)
        self._owners[address] = owner
        self._addresses[owner] = address
        return owner
