"""The threaded HTTP server under the mock providers: one port per provider, a ledger, and byte-wise splitting of streams.

It knows HTTP only. What a provider accepts, refuses and answers stands in the provider's own module.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def param(self, name: str) -> str | None:
        """The first query parameter of that name."""
        return self.query.get(name, [None])[0]


@dataclass
class Reply:
    """What goes back: a whole body, or the frames of a stream."""

    status: int
    body: bytes = b""
    frames: Iterable[bytes] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    usage: tuple[int, int] = (0, 0)
    model: str | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200, **more: Any) -> Reply:
        """A JSON answer."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode(), **more)


class Refusal(Exception):
    """A provider's native error."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(json.dumps(body))
        self.status, self.body, self.headers = status, body, headers or {}


class Cut(Exception):
    """Raised by frames: the connection breaks here."""


class Provider(Protocol):
    """A dialect: answers a request, or raises a `Refusal`."""

    name: str

    def answer(self, request: Request) -> Reply: ...


@dataclass
class Ledger:
    """Every request that reached a provider, and the tokens that it counted."""

    entries: list[Json] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Request, reply: Reply) -> None:
        """Keeps one exchange."""
        entry = {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": [list(pair) for pair in request.headers],
            "body": request.body.decode("utf-8", "replace"),
            "status": reply.status,
            "model": reply.model,
            "input_tokens": reply.usage[0],
            "output_tokens": reply.usage[1],
        }
        with self.lock:
            self.entries.append(entry)

    def clear(self) -> None:
        """Forgets everything."""
        with self.lock:
            self.entries.clear()

    def report(self) -> Json:
        """Totals and entries, for `/__ledger`."""
        with self.lock:
            entries = list(self.entries)
        served = [entry for entry in entries if entry["status"] < 400]
        return {
            "requests": len(entries),
            "served": len(served),
            "refused": len(entries) - len(served),
            "input_tokens": sum(entry["input_tokens"] for entry in served),
            "output_tokens": sum(entry["output_tokens"] for entry in served),
            "crashes": list(self.crashes),
            "entries": entries,
        }


def sse(events: Iterable[Json], *, named: bool = False) -> Iterator[bytes]:
    """Frames events as SSE; `named` writes the `event:` line that Claude and Responses have."""
    for event in events:
        head = f"event: {event['type']}\n" if named else ""
        yield f"{head}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def split(frames: Iterable[bytes], seed: int) -> Iterator[bytes]:
    """Cuts the same bytes at random positions, inside characters and line ends too."""
    whole, dice = b"".join(frames), random.Random(seed)
    start = 0
    while start < len(whole):
        step = dice.choice((1, 2, 3, 7, 19, 64, 200))
        yield whole[start : start + step]
        start += step


class Mock:
    """One running provider."""

    def __init__(self, provider: Provider, *, seed: int | None = None) -> None:
        self.provider, self.seed, self.ledger = provider, seed, Ledger()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: Request) -> Reply:
        """Answers one request and writes it into the ledger."""
        if request.path == "/__ledger":
            if request.method == "DELETE":
                self.ledger.clear()
            return Reply.of(self.ledger.report())
        if request.path == "/__seed":
            seed = request.param("seed")
            self.seed = int(seed) if seed else None
            return Reply.of({"seed": self.seed})
        try:
            reply = self.provider.answer(request)
        except Refusal as refusal:
            reply = Reply.of(refusal.body, refusal.status, headers=refusal.headers)
        except Exception:
            # The mock's own fault: loud in the answer and in the ledger, never a cut connection.
            self.ledger.crashes.append(traceback.format_exc())
            reply = Reply(500, traceback.format_exc().encode(), content_type="text/plain")
        self.ledger.note(request, reply)
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; anything else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(mock: Mock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the ledger is the log."""

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            request = Request(self.command, unquote(parts.path), query, tuple(self.headers.items()), self._body())
            try:
                self._send(mock.serve(request))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = do_PATCH = handle_any  # noqa: N815

        def _body(self) -> bytes:
            if (self.headers.get("transfer-encoding") or "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.frames is None:
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            frames = reply.frames if mock.seed is None else split(reply.frames, mock.seed)
            try:
                for frame in frames:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                self.wfile.write(b"0\r\n\r\n")
            except Cut:
                self.close_connection = True

    return Handler
