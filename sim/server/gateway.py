"""The venue without sockets and without a clock: requests in, replies and frames out.

Questions are answered at once. Actions wait for the next block and are executed there in the
venue's order: first what cannot take, then cancels, then what may take. Their replies, and all
that is pushed to sessions, leave at the end of the block.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from portfolio_mm.types import NS
from portfolio_mm.venues.settings import Server
from sim.server.actions import Actions, decode_envelope, rank, weight
from sim.server.feeds import Feeds
from sim.server.history import MS
from sim.server.info import Info, decode_query
from sim.server.limits import Peer
from sim.server.requests import Envelope
from sim.server.sessions import DECODE_ERRORS, UNREADABLE, Answer, Session
from sim.server.state import State

BODY_LIMIT = 1 << 20
"""Bytes of a request."""

UNPROCESSABLE, TOO_LARGE, TOO_MANY, NOT_FOUND, UNAVAILABLE = 422, 413, 429, 404, 502

encode = msgspec.json.encode


class _Waiting(NamedTuple):
    rank: int
    envelope: Envelope
    signer: str | None
    answer: Answer


class Gateway:
    """A venue that whoever drives it moves through time."""

    def __init__(self, settings: Server) -> None:
        self.state = State(settings)
        self.world = self.state.world
        self.refused: Counter[str] = Counter()  # requests by the start of why they were refused
        self._info = Info(self.state)
        self._actions = Actions(self.state)
        self._feeds = Feeds(self.state, self._info)
        self._peers: dict[str, Peer] = {}
        self._sessions: dict[Session, None] = {}
        self._queue: list[_Waiting] = []
        self._block_ns = round(settings.block_ms * MS)
        self._next_block_ns = self.state.now_ns
        self.world.run(self.state.now_ns)  # the others quote before anybody asks
        self._schedule()

    @property
    def now_ns(self) -> int:
        """Venue time."""
        return self.state.now_ns

    @property
    def next_ns(self) -> int:
        """When the next replies and frames leave."""
        return self._next_block_ns

    def owner(self, address: str) -> int | None:
        """Return the account of an address, None if it has none."""
        return self.state.members.find(address.lower())

    def advance(self, until_ns: int) -> None:
        """Run the venue up to a time."""
        self.world.run(until_ns)

    def post(self, path: str, body: bytes, ip: str, reply: Answer) -> None:
        """Take a request; the reply is a status and a body, at once or after the next block."""
        peer = self._peer(ip)
        if len(body) > BODY_LIMIT:
            self.refused["413"] += 1
            reply(TOO_LARGE, b"Failed to buffer the request body: length limit exceeded")
        elif path == "/info":
            self.info(body, peer, reply)
        elif path == "/exchange":
            self.exchange(body, peer, reply)
        else:
            reply(NOT_FOUND, b"")

    def open(
        self, ip: str, send: Callable[[str], None], close: Callable[[], None]
    ) -> Session | None:
        """Open a websocket, or return None where that is one too many."""
        peer = self._peer(ip)
        if not peer.connect(self.now_ns):
            return None
        session = Session(self.state, self._feeds, self, peer, send, close)
        self._sessions[session] = None
        return session

    def restart(self, post_only_s: float) -> None:
        """Drop every session and request, and take post-only orders alone for a while."""
        for session in list(self._sessions):
            session.hang_up()
        self._sessions.clear()
        waiting, self._queue = self._queue, []
        for item in waiting:
            item.answer(UNAVAILABLE, b"")
        self._actions.trading.post_only_until_ns = self.now_ns + round(post_only_s * NS)

    def info(self, body: bytes, peer: Peer, answer: Answer) -> None:
        """Answer a question."""
        try:
            query = decode_query(body)
        except DECODE_ERRORS:
            self.refused["422"] += 1
            answer(UNPROCESSABLE, UNREADABLE.encode())
            return
        if not peer.weight.take(query.weight, self.now_ns):
            self.refused["429"] += 1
            answer(TOO_MANY, b"null")
            return
        content, extra = self._info.answer(query)
        peer.weight.charge(extra, self.now_ns)
        answer(200, encode(content))

    def exchange(self, body: bytes, peer: Peer, answer: Answer) -> None:
        """Queue an action for the next block."""
        try:
            envelope = decode_envelope(body)
        except DECODE_ERRORS:
            self.refused["422"] += 1
            answer(UNPROCESSABLE, UNREADABLE.encode())
            return
        if not peer.weight.take(weight(envelope.action), self.now_ns):
            self.refused["429"] += 1
            answer(TOO_MANY, b"null")
            return
        signer = self._actions.signer(envelope)
        self._queue.append(_Waiting(rank(envelope.action), envelope, signer, answer))

    def _peer(self, ip: str) -> Peer:
        peer = self._peers.get(ip)
        if peer is None:
            peer = self._peers[ip] = Peer(self.now_ns)
        return peer

    def _schedule(self) -> None:
        self._next_block_ns += self._block_ns
        self.world.at(self._next_block_ns, self._block)

    def _block(self) -> None:
        waiting, self._queue = sorted(self._queue, key=lambda item: item.rank), []
        replies = [self._actions.execute(item.envelope, item.signer) for item in waiting]
        self.world.flush()
        for owner, change in self._feeds.publish():
            self._actions.trading.follow(owner, change)
        for item, reply in zip(waiting, replies, strict=True):
            if reply["status"] == "err":
                self.refused[_summary(reply["response"])] += 1
            item.answer(200, encode(reply))
        self._hang_up()
        self._schedule()

    def _hang_up(self) -> None:
        for session in [x for x in self._sessions if x.deadline_ns <= self.now_ns]:
            session.hang_up()
        for session in [x for x in self._sessions if not x.is_open]:
            del self._sessions[session]


def _summary(refusal: str) -> str:
    """Return the words of a refusal up to its first number or address."""
    return re.split(r"\s*[(:$\d]", refusal, maxsplit=1)[0]
