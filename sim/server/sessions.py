"""One websocket: what it says, what it subscribed to, and when it is hung up on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from portfolio_mm.types import NS
from sim.server import subscriptions as s
from sim.server.feeds import Feeds
from sim.server.frames import encode, frame
from sim.server.limits import POSTS_IN_FLIGHT, Peer
from sim.server.state import State

SILENCE_NS = 60 * NS
HANG_UP_NS = NS // 10
"""How long after an impossible subscription the venue hangs up, without a word."""

UNREADABLE = "Failed to deserialize the JSON body into the target type"
BUSY = "Too many requests."

Answer = Callable[[int, bytes], None]

DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)


class Desk(Protocol):
    """Where posted requests go."""

    def info(self, body: bytes, peer: Peer, answer: Answer) -> None:
        """Answer a question with a status and JSON."""
        ...

    def exchange(self, body: bytes, peer: Peer, answer: Answer) -> None:
        """Have an action executed and answer it with a status and JSON."""
        ...


class Session:
    """A websocket connection."""

    def __init__(
        self,
        state: State,
        feeds: Feeds,
        desk: Desk,
        peer: Peer,
        send: Callable[[str], None],
        close: Callable[[], None],
    ) -> None:
        self._state = state
        self._feeds = feeds
        self._desk = desk
        self._peer = peer
        self._send = send
        self._close = close
        self._subscriptions: dict[s.AnySubscription, None] = {}
        self._posts = 0
        self.is_open = True
        self.deadline_ns = state.now_ns + SILENCE_NS  # when it is hung up on

    def receive(self, text: str) -> None:
        """Take a message of the client."""
        if not self.is_open:
            return
        if not self._peer.messages.take(1, self._state.now_ns):
            self.hang_up()
            return
        if self.deadline_ns > self._state.now_ns + HANG_UP_NS:
            self.deadline_ns = self._state.now_ns + SILENCE_NS
        try:
            message = s.decode_message(text)
        except DECODE_ERRORS:
            self._error(f"Error parsing JSON into valid websocket request: {text}")
            return
        match message:
            case s.Ping():
                self._send('{"channel":"pong"}')
            case s.Subscribe(subscription):
                self._subscribe(s.normal(subscription))
            case s.Unsubscribe(subscription):
                self._unsubscribe(s.normal(subscription))
            case s.Post(number, request):
                self._post(number, request)

    def closed(self) -> None:
        """Take note that the connection is gone."""
        if not self.is_open:
            return
        self.is_open = False
        for subscription in self._subscriptions:
            self._feeds.remove(subscription, self)
            self._peer.unsubscribe(s.user_of(subscription))
        self._peer.posts -= self._posts
        self._peer.connections -= 1

    def hang_up(self) -> None:
        """Close the connection without a word."""
        if self.is_open:
            self.closed()
            self._close()

    def push(self, text: str) -> None:
        """Send a frame."""
        if self.is_open:
            self._send(text)

    def _subscribe(self, subscription: s.AnySubscription) -> None:
        if not s.possible(subscription, self._state.markets):
            self.deadline_ns = min(self.deadline_ns, self._state.now_ns + HANG_UP_NS)
            return
        if subscription in self._subscriptions:
            self._error(f"Already subscribed: {encode(subscription).decode()}")
            return
        refusal = self._peer.subscribe(s.user_of(subscription))
        if refusal is not None:
            self._error(refusal)
            return
        self._subscriptions[subscription] = None
        self._acknowledge("subscribe", subscription)
        self._feeds.add(subscription, self)

    def _unsubscribe(self, subscription: s.AnySubscription) -> None:
        if subscription not in self._subscriptions:
            self._error(f"Already unsubscribed: {encode(subscription).decode()}")
            return
        del self._subscriptions[subscription]
        self._peer.unsubscribe(s.user_of(subscription))
        self._feeds.remove(subscription, self)
        self._acknowledge("unsubscribe", subscription)

    def _post(self, number: int, request: s.PostBody) -> None:
        if self._peer.posts >= POSTS_IN_FLIGHT:
            self._respond(number, "error", BUSY)
            return
        body = bytes(request.payload)
        if request.type == "info":
            self._desk.info(body, self._peer, lambda *x: self._informed(number, body, *x))
            return
        self._peer.posts += 1
        self._posts += 1
        self._desk.exchange(body, self._peer, lambda *x: self._acted(number, *x))

    def _informed(self, number: int, body: bytes, status: int, answer: bytes) -> None:
        if status != 200:
            self._respond(number, "error", UNREADABLE if status == 422 else BUSY)
            return
        kind = msgspec.json.decode(body, type=_Typed).type
        self._respond(number, "info", {"type": kind, "data": msgspec.Raw(answer)})

    def _acted(self, number: int, status: int, answer: bytes) -> None:
        if not self.is_open:
            return
        self._peer.posts -= 1
        self._posts -= 1
        if status == 200:
            self._respond(number, "action", msgspec.Raw(answer))
        else:
            self._respond(number, "error", UNREADABLE if status == 422 else BUSY)

    def _respond(self, number: int, kind: str, payload: Any) -> None:
        data = {"id": number, "response": {"type": kind, "payload": payload}}
        self.push(frame("post", data))

    def _acknowledge(self, method: str, subscription: s.AnySubscription) -> None:
        data = {"method": method, "subscription": subscription}
        self.push(frame("subscriptionResponse", data))

    def _error(self, text: str) -> None:
        self.push(frame("error", text))


class _Typed(msgspec.Struct):
    type: str
