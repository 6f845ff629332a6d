"""Who may act for whom: users, their sub-accounts, and the agents that sign for them."""

from __future__ import annotations

import re
from typing import NamedTuple

from eth_utils.crypto import keccak

DAY_MS = 86_400_000
VALID_MS, LONGEST_MS = 90 * DAY_MS, 180 * DAY_MS
NAMED_AGENTS = 3
NAMED_AGENTS_PER_SUB = 2
SUB_ACCOUNTS = 10

_VALID_UNTIL = re.compile(r"\A(.*) valid_until ([0-9]{1,15})\Z")


class Refused(Exception):
    """A whole request is refused, with the venue's words."""


class Agent(NamedTuple):
    """A key that signs for a user; the unnamed one has an empty name."""

    address: str
    master: str
    name: str
    until_ms: int


class SubAccount(NamedTuple):
    """An account that its master's keys act for."""

    address: str
    master: str
    name: str


class Users:
    """The relations between addresses, which are lower case everywhere."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}
        self._subs: dict[str, SubAccount] = {}
        self.referrers: dict[str, str] = {}
        self.builders: dict[tuple[str, str], int] = {}  # tenths of a basis point

    def agent(self, address: str) -> Agent | None:
        """Return what an address is agent of, if it is one."""
        return self._agents.get(address)

    def sub_account(self, address: str) -> SubAccount | None:
        """Return the sub-account at an address, if it is one."""
        return self._subs.get(address)

    def agents_of(self, master: str) -> list[Agent]:
        """Return a user's named agents."""
        return [a for a in self._agents.values() if a.master == master and a.name]

    def subs_of(self, master: str) -> list[SubAccount]:
        """Return a user's sub-accounts, oldest first."""
        return [s for s in self._subs.values() if s.master == master]

    def master_of(self, signer: str, now_ms: int) -> str:
        """Return the user a signer acts for: itself, or whose valid agent it is.

        Raises
        ------
        Refused
            When the signer is an agent that has expired.
        """
        agent = self._agents.get(signer)
        if agent is None:
            return signer
        if now_ms > agent.until_ms:
            raise Refused(f"User or API Wallet {signer} does not exist.")
        return agent.master

    def approve(self, master: str, address: str, name: str, now_ms: int) -> None:
        """Let a key sign for a user. An agent of the same name is replaced.

        Raises
        ------
        Refused
            When the key is taken, the validity is too long, or there are too many agents.
        """
        until = now_ms + VALID_MS
        match = _VALID_UNTIL.match(name)
        if match is not None:
            name, until = match[1], int(match[2])
        if not now_ms < until <= now_ms + LONGEST_MS:
            raise Refused("Agent valid_until is not within 180 days.")
        if address == master or address in self._agents or address in self._subs:
            raise Refused("Extra agent already used.")
        limit = NAMED_AGENTS + NAMED_AGENTS_PER_SUB * len(self.subs_of(master))
        others = [a for a in self.agents_of(master) if a.name != name]
        if name and len(others) >= limit:
            raise Refused(
                f"Too many extra agents for cumulative volume traded. Current limit is {limit}"
            )
        replaced = [a for a in self._agents.values() if (a.master, a.name) == (master, name)]
        for agent in replaced:
            del self._agents[agent.address]
        self._agents[address] = Agent(address, master, name, until)

    def open_sub_account(self, master: str, name: str) -> str:
        """Open a sub-account and return its address.

        Raises
        ------
        Refused
            When the name is unusable or there are too many.
        """
        existing = self.subs_of(master)
        if not name or name in [s.name for s in existing]:
            raise Refused("Invalid sub-account name")
        if len(existing) >= SUB_ACCOUNTS:
            raise Refused("Too many sub-accounts")
        address = "0x" + keccak(text=f"{master}/{len(existing)}")[-20:].hex()
        self._subs[address] = SubAccount(address, master, name)
        return address
