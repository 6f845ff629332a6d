"""The /exchange endpoint: who signed, whether it may be done now, and doing it."""

from __future__ import annotations

from typing import Any

import msgspec

from sim.server import requests as r
from sim.server import user_requests as u
from sim.server.account_actions import AccountActions, Actor
from sim.server.history import DAY_MS
from sim.server.limits import ORDERS_PER_WEIGHT, SIGNED_WEIGHT
from sim.server.nonces import Nonces
from sim.server.signatures import BadSignature, digest, l1_digest, recover
from sim.server.state import State
from sim.server.trading import Trading, takes
from sim.server.users import Refused

DAILY_ACTIONS = 50_000
"""Actions a day of an account whose collateral is unified; each order of a batch is one."""

EXPIRED_COST = 5

CHAINS = {"mainnet": ("a", "Mainnet"), "testnet": ("b", "Testnet")}

decode_envelope = msgspec.json.Decoder(r.Envelope).decode

Orders = r.PlaceOrders | r.Cancel | r.CancelByCloid | r.BatchModify


class Actions:
    """Executes what users sign."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._source, self._chain = CHAINS[state.settings.chain]
        self._nonces = Nonces()
        self._daily: dict[int, tuple[int, int]] = {}  # day and actions of an account
        self.trading = Trading(state)
        self._account = AccountActions(state)

    def signer(self, envelope: r.Envelope) -> str | None:
        """Return the address that signed, None where none can be recovered."""
        action, signature = envelope.action, envelope.signature
        if isinstance(action, u.UserSigned):
            message = msgspec.structs.asdict(action) | {"hyperliquidChain": self._chain}
            message = {key: "" if value is None else value for key, value in message.items()}
            name = f"HyperliquidTransaction:{action.signs}"
            chain_id = int(action.signatureChainId, 16)
            signed = digest("HyperliquidSignTransaction", chain_id, name, action.fields, message)
        else:
            signed = l1_digest(
                msgspec.msgpack.encode(action),
                envelope.nonce,
                envelope.vaultAddress,
                envelope.expiresAfter,
                self._source,
            )
        try:
            return recover(signed, signature.r, signature.s, signature.v)
        except BadSignature:
            return None

    def execute(self, envelope: r.Envelope, signer: str | None) -> dict[str, Any]:
        """Execute an action at the current instant and return the reply."""
        try:
            return {"status": "ok", "response": self._execute(envelope, signer)}
        except Refused as refusal:
            return {"status": "err", "response": str(refusal)}

    def _execute(self, envelope: r.Envelope, signer: str | None) -> dict[str, Any]:
        if signer is None:
            raise Refused("Unable to recover signer.")
        action, now_ms = envelope.action, self._state.now_ms
        actor = self._actor(envelope, signer)
        refusal = self._nonces.refusal(signer, envelope.nonce, now_ms)
        if refusal is not None:
            raise Refused(refusal)
        count = size(action)
        if count > SIGNED_WEIGHT:
            raise Refused(f"Signed action over weight limit of {SIGNED_WEIGHT}.")
        self._nonces.use(signer, envelope.nonce)
        if envelope.expiresAfter is not None and envelope.expiresAfter < now_ms:
            self._state.exchange.ration(actor.owner, EXPIRED_COST, self._state.now_ns)
            raise Refused("Action already expired")
        self._admit(actor.owner, count, cancel=isinstance(action, r.Cancel | r.CancelByCloid))
        try:
            return self._perform(actor, action)
        finally:
            self._state.exchange.accounts[actor.owner].observe()

    def _perform(self, actor: Actor, action: r.AnyAction) -> dict[str, Any]:
        match action:
            case r.PlaceOrders():
                return self.trading.place(actor.owner, actor.master, action)
            case r.Cancel() | r.CancelByCloid():
                return self.trading.cancel(actor.owner, action)
            case r.Modify():
                return self.trading.modify(actor.owner, action)
            case r.BatchModify():
                return self.trading.batch_modify(actor.owner, action)
        return self._account.handlers[type(action)](actor, action)

    def _actor(self, envelope: r.Envelope, signer: str) -> Actor:
        members, users, now_ns = self._state.members, self._state.users, self._state.now_ns
        action = envelope.action
        if isinstance(action, u.UserSigned):
            owner = members.meet(signer, now_ns)
            if owner is None:
                raise Refused(f"Must deposit before performing actions. User: {signer}")
            nonce = action.time if isinstance(action, _TIMED) else action.nonce
            if nonce != envelope.nonce:
                raise Refused(f"Invalid nonce: {nonce} is signed and {envelope.nonce} is sent")
            return Actor(signer, signer, owner)
        master = users.master_of(signer, self._state.now_ms)
        owner = members.meet(master, now_ns)
        if owner is None:
            raise Refused(f"User or API Wallet {signer} does not exist.")
        if envelope.vaultAddress is None:
            return Actor(master, master, owner)
        vault = envelope.vaultAddress.lower()
        sub = users.sub_account(vault)
        found = members.find(vault)
        if sub is None or found is None or sub.master != master:
            raise Refused(f"Vault not registered: {vault}")
        return Actor(master, vault, found)

    def _admit(self, owner: int, count: int, *, cancel: bool) -> None:
        """Count an action against the day's and the address's budget; a refused one is free."""
        exchange, today = self._state.exchange, self._state.now_ms // DAY_MS
        day, used = self._daily.get(owner, (today, 0))
        used = count + (used if day == today else 0)
        if exchange.accounts[owner].mode == "unified" and used > DAILY_ACTIONS:
            raise Refused(f"Too many actions today: the limit is {DAILY_ACTIONS}.")
        error = exchange.ration(owner, count, self._state.now_ns, cancel=cancel)
        if error:
            raise Refused(error)
        self._daily[owner] = (today, used)


_TIMED = (u.UsdSend, u.SpotSend, u.Withdraw)


def size(action: r.AnyAction) -> int:
    """Return how many orders, modifications or cancels an action holds, one for any other.

    Raises
    ------
    Refused
        When a batch is empty.
    """
    match action:
        case r.PlaceOrders():
            count = len(action.orders)
        case r.Cancel() | r.CancelByCloid():
            count = len(action.cancels)
        case r.BatchModify():
            count = len(action.modifies)
        case _:
            return 1
    if not count:
        raise Refused("Empty batch.")
    return count


def weight(action: r.AnyAction) -> int:
    """Return what an action costs of the weight of its network address."""
    try:
        return 1 + size(action) // ORDERS_PER_WEIGHT
    except Refused:
        return 1


def rank(action: r.AnyAction) -> int:
    """Return the place of an action within a block: what cannot take, cancels, what can."""
    if isinstance(action, r.Cancel | r.CancelByCloid):
        return 1
    return 2 if takes(action) else 0
