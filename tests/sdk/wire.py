"""Raw HTTP for tests: what an SDK would hide. Standard library only, so that nothing tidies the bytes."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Json]:
        """The data of an SSE body; `[DONE]` is left out."""
        frames = self.text.replace("\r\n", "\n").split("\n\n")
        data = ["\n".join(line[5:].strip() for line in frame.split("\n") if line.startswith("data:")) for frame in frames]
        return [json.loads(one) for one in data if one and one != "[DONE]"]


def send(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """Sends one request on its own connection. A dict travels as JSON, bytes as they are."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = {"content-type": "application/json"} if data is not None else {}
    try:
        connection.request(method, path, data, {**kind, **(headers or {})})
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()
