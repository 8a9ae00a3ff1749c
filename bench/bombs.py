"""Rows of `make faults` about bodies that are more than they seem, and about calls that panic."""

import gzip
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading

from house import KEY, House, NotShown
from procs import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What a bomb unfolds to.
UNFOLDED = 1 << 30
MEMORY_MB = 64


def bomb():
    """A gigabyte of spaces and a small JSON object, as a megabyte of gzip."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b'{"model":"lab/healthy","messages":[{"role":"user","content":"')
        for _ in range(UNFOLDED >> 20):
            file.write(b" " * (1 << 20))
        file.write(b'"}]}')
    return out.getvalue()


class Peak:
    """Watches the most memory that a gateway takes while something lasts, in MB above what it had."""

    def __init__(self, house):
        self.house, self.before, self.most, self._over = house, house.memory_kb(), 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.02):
            self.most = max(self.most, self.house.memory_kb())

    def __exit__(self, *_):
        self._over.set()
        self.thread.join()

    def grown_mb(self):
        return max(0, self.most - self.before) / 1024


def _post(port, data, headers):
    """Sends a body whole and reads what comes until the other side closes."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {len(data)}\r\n\r\n"
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(head.encode() + data)
        except OSError:
            pass
        try:
            while more := connection.recv(65536):
                said += more
        except OSError:
            pass
    return said


def _coded_provider(port, data):
    """A provider that answers everything with a gzip body that nobody asked for."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                asked = connection.recv(1 << 20)
                kind = "text/event-stream" if b'"stream": true' in asked or b'"stream":true' in asked else "application/json"
                head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
                try:
                    connection.sendall(head.encode() + data)
                except OSError:
                    pass


def bombs(lab, folder, quick, addresses):
    """Heads of many fields, and gzip that unfolds to a gigabyte, from the client and from the provider."""
    data, port = bomb(), free_port()
    threading.Thread(target=_coded_provider, args=(port, data), daemon=True).start()
    for name in ("client", "provider"):
        os.mkdir(os.path.join(folder, name))
    house = House(lab, os.path.join(folder, "client")).start()
    house.chat()
    with Peak(house) as peak:
        fields = b"".join(b"x-bomb-%d: 1\r\n" % number for number in range(100_000))
        with socket.create_connection(("127.0.0.1", house.port), timeout=10) as connection:
            said = b""
            try:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: gateway\r\n" + fields + b"\r\n")
                while more := connection.recv(65536):
                    said += more
            except OSError:
                pass
        how = f"refused with {said[9:12].decode(errors='replace')}" if said else "cut before it was read"
        yield f"a head of 100,000 fields: {how}", said[9:12] in (b"431", b"400", b"")
        answers = [_post(house.port, data, "content-encoding: gzip\r\n") for _ in range(20)]
        statuses = {answer[9:12].decode(errors="replace") or "cut" for answer in answers}
        yield f"20 requests of {len(data) >> 10} KB gzip that unfold to 1 GB each: {', '.join(sorted(statuses))}; expected 415", statuses <= {"415", "cut"} and "415" in statuses
        small = _post(house.port, gzip.compress(b'{"model":"lab/healthy","messages":[]}'), "content-encoding: gzip\r\n")
        yield f"a small one is told what is wrong: {_message(small)!r}", small[9:12] == b"415" and b"Content-Encoding: gzip" in small
    yield f"memory grew by {peak.grown_mb():.0f} MB at its peak; expected {MEMORY_MB} at most", peak.grown_mb() <= MEMORY_MB
    yield "a plain call is served afterwards", house.chat() is None
    house.stop()
    house = House(lab, os.path.join(folder, "provider"), provider=port).start()
    with Peak(house) as peak:
        whole = {"model": "lab/m", "messages": [{"role": "user", "content": "count"}]}
        said = [house.ask("POST", "/v1/chat/completions", {**whole, "stream": streams}) for streams in (False, True) for _ in range(5)]
    statuses = sorted({status for status, _ in said})
    # After the first failures the provider rests, and its callers are told when to come back.
    yield f"a provider that answers with such gzip, whole and as a stream: {statuses}; expected errors, no byte of it passed", set(statuses) <= {429, 502, 503} and not any(b"\x1f\x8b" in body for _, body in said)
    yield f"memory grew by {peak.grown_mb():.0f} MB at its peak; expected {MEMORY_MB} at most", peak.grown_mb() <= MEMORY_MB
    house.stop()


def _message(said):
    try:
        return json.loads(said.split(b"\r\n\r\n", 1)[1])["error"]["message"]
    except (IndexError, ValueError, KeyError):
        return said[:200].decode(errors="replace")


def panic(lab, folder, quick, addresses):
    """A panic in one call, and one in the midst of an answer. No request may provoke one in the product, so this row runs the tests that put a mine
    on the way to the provider, over real sockets."""
    if not shutil.which("cargo") or subprocess.run(["cargo", "nextest", "--version"], capture_output=True).returncode:
        raise NotShown("cargo nextest is not there")
    names = ["a_panic_in_one_call_is_a_500_and_everybody_else_goes_on", "an_answer_that_panics_ends_with_an_error_and_is_settled_once"]
    done = subprocess.run(["cargo", "nextest", "run", "--locked", "--no-fail-fast", "--test", "gateway", *names], cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"(\d+) tests? run: (\d+) passed", done.stderr)
    ran, passed = (int(found[1]), int(found[2])) if found else (0, 0)
    why = "" if found else f": {done.stderr[-300:]}"
    yield f"by test, with a mine on the way to the provider: {passed} of {len(names)} hold (a 500 and the others served; an error event in each of four dialects, one row each){why}", ran == passed == len(names)
