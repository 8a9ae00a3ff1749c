"""The rows of `make faults`: what breaks around the gateway, and what must hold meanwhile. Each gives its checks as (text, holds)."""

import asyncio
import concurrent.futures
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import quote, urlsplit

from house import KEY, Callers, House, NotShown, Pipe, until
from procs import Fault, ask, free_port

STREAMS = 1000
CALLS = 80
TWO_DATABASE = 15
SWAPS = 1000


def psql(address, command, database="postgres"):
    """Runs SQL on the server that the tests use; what it says."""
    found = shutil.which("psql") or next((path for path in _psqls() if os.path.exists(path)), None)
    if found is None:
        raise NotShown("psql is not there")
    done = subprocess.run([found, "-qAt", f"{address}/{database}", "-c", command], capture_output=True, text=True)
    if done.returncode:
        raise NotShown(f"PostgreSQL: {done.stderr.strip()}")
    return done.stdout


def _psqls():
    base = "/usr/lib/postgresql"
    return [f"{base}/{version}/bin/psql" for version in (sorted(os.listdir(base)) if os.path.isdir(base) else [])]


def database(lab, folder, quick, addresses):
    """The database is away under load."""
    address = addresses["GPROXY_TEST_POSTGRES"]
    server, name, away = urlsplit(address), f"gproxy_faults_{os.getpid()}", 10 if quick else 60
    psql(address, f"CREATE DATABASE {name}")
    pipe = Pipe(server.hostname, server.port)
    house = House(lab, folder, flags=["--dsn", f"postgres://{server.username}@127.0.0.1:{pipe.port}/{name}", "--database-secret-key", "faults"])
    try:
        house.start()
        callers = Callers(house)
        time.sleep(3)
        pipe.down()
        time.sleep(away)
        pipe.up()
        time.sleep(3)
        callers.stop()
        yield f"database away for {away} s: {len(callers.failed)} of {callers.whole + len(callers.failed)} calls failed{callers.first_failure()}", not callers.failed
        came = until(lambda: house.rows() == callers.whole, 30)
        yield f"{house.rows()} rows for {callers.whole} answers, half a minute after it is back", came
        house.stop()
    finally:
        psql(address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def emptied(server, number):
    """Empties one database of the tests' Redis; rows that run side by side must not count into one another's windows."""
    with socket.create_connection((server.hostname, server.port), timeout=5) as connection:
        connection.sendall(b"SELECT %d\r\nFLUSHDB\r\nQUIT\r\n" % number)
        while connection.recv(4096):
            pass
    return number


def kill(lab, folder, quick, addresses):
    """kill -9 under load, again and again."""
    house, times, ids = House(lab, folder), 10 if quick else 100, set()
    for _ in range(times):
        house.start()
        callers = Callers(house, count=16, pause=0)
        time.sleep(0.6)
        house.kill()
        ids |= callers.stop().ids
    house.start()
    until(lambda: not ids - set(house.row_ids()), 30)
    rows = house.row_ids()
    house.stop()
    lost, double = len(ids - set(rows)), len(rows) - len(set(rows))
    yield f"{times} times killed: {len(ids)} whole answers, {lost} of them without a row", ids and not lost
    yield f"{len(rows)} rows, {double} of them double", not double


def two(lab, folder, quick, addresses):
    """Two instances on one PostgreSQL and one Redis: one configuration, one limit, one ledger."""
    address, name, limit = addresses["GPROXY_TEST_POSTGRES"], f"gproxy_faults_two_{os.getpid()}", 50
    server = urlsplit(address)
    psql(address, f"CREATE DATABASE {name}")
    dsn = f"postgres://{server.username}@{server.hostname}:{server.port}/{name}"
    counters = urlsplit(addresses["GPROXY_TEST_REDIS"])
    shared = f"redis://{counters.hostname}:{counters.port}/{emptied(counters, TWO_DATABASE)}"
    flags = ["--dsn", dsn, "--database-secret-key", "faults", "--redis-url", shared]
    houses = []
    try:
        for place in ("one", "other"):
            os.mkdir(os.path.join(folder, place))
            houses.append(House(lab, os.path.join(folder, place), flags=flags).start())
        one, other = houses
        user = one.admin("POST", "/admin/users", {"name": f"shared-{os.getpid()}"})["id"]
        one.admin("POST", f"/admin/users/{user}/permissions", {"pattern": "*"})
        one.admin("POST", "/admin/rate-limits", {"scope": "user", "scope_id": user, "requests_per_minute": limit})
        key = one.admin("POST", f"/admin/users/{user}/keys", {"label": "faults"})["api_key"]
        begun = time.monotonic()
        known = until(lambda: other.ask("GET", "/user/me", key=key)[0] == 200, 15)
        yield f"a key made at one instance serves at the other {time.monotonic() - begun:.1f} s later", known
        served = [None] * (2 * limit)

        def ask(number):
            served[number] = houses[number % 2].chat(key=key) is None

        askers = [threading.Thread(target=ask, args=(number,)) for number in range(len(served))]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        yield f"a limit of {limit} calls a minute over both: {sum(served)} of {len(served)} served", sum(served) == limit
        came = until(lambda: one.rows() == other.rows() == limit, 15)
        yield f"both show the same {one.rows()} rows", came
        for house in houses:
            house.stop()
    finally:
        psql(address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def redis(lab, folder, quick, addresses):
    """The counters' Redis is away: the chosen policy holds, and limits hold again once it is back."""
    server = urlsplit(addresses["GPROXY_TEST_REDIS"])
    for policy, served, number in (("closed", False, 13), ("open", True, 14)):
        place = os.path.join(folder, policy)
        os.mkdir(place)
        pipe = Pipe(server.hostname, server.port)
        house = House(lab, place, flags=["--redis-url", f"redis://127.0.0.1:{pipe.port}/{emptied(server, number)}", "--counters-down", policy]).start()
        user = house.admin("POST", "/admin/users", {"name": f"limited-{os.getpid()}"})["id"]
        house.admin("POST", f"/admin/users/{user}/permissions", {"pattern": "*"})
        house.admin("POST", "/admin/rate-limits", {"scope": "user", "scope_id": user, "requests_per_minute": 100_000})
        key = house.admin("POST", f"/admin/users/{user}/keys", {"label": "faults"})["api_key"]
        before = house.chat(key=key)
        pipe.down()
        # The first call may still find out that the connection is gone.
        house.chat(key=key)
        meanwhile = [house.chat(key=key) for _ in range(20)]
        pipe.up()
        back = until(lambda: house.chat(key=key) is None, 15)
        house.stop()
        good = sum(wrong is None for wrong in meanwhile)
        wanted = 20 if served else 0
        yield f"Redis away, policy {policy}: {good} of 20 limited calls served; expected {wanted}", before is None and good == wanted
        yield f"policy {policy}: served again once it is back", back


async def _stream(port, key, begun):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"model":"lab/script,pause_event=5,pause_ms=8000","messages":[{"role":"user","content":"count"}],"stream":true}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    said = b""
    try:
        while data := await reader.read(65536):
            if b'"one"' in data or (not said and b"200 OK" in data):
                begun.append(1)
            said += data
    except OSError:
        pass
    writer.close()
    return b"data: [DONE]" in said and said.rstrip().endswith(b"0")


def drain(lab, folder, quick, addresses):
    """A thousand open streams, then SIGTERM."""
    house = House(lab, folder, settings="max_in_flight = 4096").start()
    begun = []

    async def run():
        streams = [asyncio.create_task(_stream(house.port, KEY, begun)) for _ in range(STREAMS)]
        deadline = time.monotonic() + 30
        while len(begun) < STREAMS and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        opened = len(begun)
        house.child.process.send_signal(signal.SIGTERM)
        return opened, sum(await asyncio.gather(*streams))

    opened, whole = asyncio.run(run())
    ended = until(lambda: not house.child.alive(), 40)
    yield f"{opened} of {STREAMS} streams open at SIGTERM", opened == STREAMS
    yield f"{whole} of {STREAMS} came to their end within the drain time of 30 s", whole == STREAMS
    yield f"the process ended by itself with {house.child.process.poll()}", ended and house.child.process.poll() == 0


SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty".split()


def word(number):
    """A word of the lab's answer, as an event of it says it."""
    tail = f"-{SMALL[number % 10]}" if number % 10 else ""
    said = SMALL[number] if number < 20 else TENS[number // 10 - 2] + tail
    return f'"{said}"' if number == 1 else f'" {said}"'


def _question(dialect, model):
    turns = [{"role": "user", "content": "count"}]
    return {
        "chat": ("/v1/chat/completions", {"model": model, "messages": turns, "stream": True}),
        "responses": ("/v1/responses", {"model": model, "input": "count", "stream": True}),
        "claude": ("/v1/messages", {"model": model, "max_tokens": 999, "messages": turns, "stream": True}),
        "gemini": (f"/lab/v1beta/models/{model.removeprefix('lab/')}:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": "count"}]}]}),
    }[dialect]


def _leave(house, key, dialect, after):
    """Leaves a stream after so many words; how long the provider's side stayed open behind it, in milliseconds."""
    model = f"script,pause_event={after},pause_ms=20000,code={dialect}"
    path, body = _question(dialect, f"lab/{model}")
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    ledger = lambda: json.loads(ask(house.lab.port, "GET", f"/__lab/ledger?model={quote(model)}")[1])["attempts"]
    said = b""
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as connection:
        begun = time.monotonic()
        connection.sendall(head.encode() + data)
        if after == 0:
            until(ledger, 10, step=0.01)
        while after and word(after).encode() not in said:
            if not (more := connection.recv(65536)):
                raise Fault(f"{dialect}, {after} words: {said[-300:]!r}")
            said += more
        gone = time.monotonic() - begun
    if not until(lambda: ledger()[0]["ended_ms"] is not None, 15, step=0.02):
        return 15_000
    attempt = ledger()[0]
    # The attempt reaches the provider a little after the request left, so this is short by that little.
    return attempt["ended_ms"] - attempt["at_ms"] - gone * 1000


def gone(lab, folder, quick, addresses):
    """Clients leave, after each word of a stream, in each dialect."""
    house = House(lab, folder, dialects=["openai", "claude", "gemini"]).start()
    user = house.admin("POST", "/admin/users", {"name": "leaves"})["id"]
    house.admin("POST", f"/admin/users/{user}/permissions", {"pattern": "*"})
    house.admin("POST", "/admin/rate-limits", {"scope": "user", "scope_id": user, "concurrency": 4})
    key = house.admin("POST", f"/admin/users/{user}/keys", {"label": "faults"})["api_key"]
    cases = [(dialect, after) for after in range(0, 60, 6 if quick else 1) for dialect in ("chat", "responses", "claude", "gemini")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        late = list(pool.map(lambda case: _leave(house, key, *case), cases))
    worst = max(range(len(cases)), key=lambda place: late[place])
    dialect, after = cases[worst]
    yield f"{len(cases)} clients left: the provider's side closed after {max(late):.0f} ms at most ({dialect}, {after} words); expected 100", max(late) <= 100
    came = until(lambda: house.rows() == len(cases), 15)
    yield f"{house.rows()} rows for {len(cases)} of them", came
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        served = sum(pool.map(lambda _: house.chat(key=key) is None, range(4)))
    yield f"nothing stays reserved: {served} of 4 calls at once are served under a limit of 4", served == 4
    house.stop()


def swap(lab, folder, quick, addresses):
    """The configuration is swapped a thousand times under load."""
    house = House(lab, folder).start()
    provider = house.admin("GET", "/admin/providers")[0]
    callers = Callers(house, pause=0)
    for number in range(SWAPS):
        settings = {"base_url": f"http://127.0.0.1:{lab.port}", "dialects": ["chat"], "user_agent": f"faults/{number}"}
        house.admin("PATCH", f"/admin/providers/{provider['id']}", {"settings": settings})
    callers.stop()
    house.stop()
    yield f"{SWAPS} swaps: {len(callers.failed)} of {callers.whole + len(callers.failed)} calls failed{callers.first_failure()}", not callers.failed


def file(lab, folder, quick, addresses):
    """A bad configuration file comes, and then a good one."""
    house = House(lab, folder, flags=["--bootstrap-force-config"]).start()
    house.write(house.text().replace('dialects = ["chat"]', 'dialects = ["chit"]'))
    told = until(lambda: "chit" in house.said(), 15)
    served = house.chat()
    house.write(
        house.text() + '[[channels]]\nid = "second"\nchannel = "custom"\n[channels.settings]\nbase_url = "http://127.0.0.1:9"\n'
        '[[channels.credentials]]\nlabel = "second"\nsecret = "sk-of-no-account"\n'
    )
    applied = until(lambda: any(row["name"] == "second" for row in house.admin("GET", "/admin/providers")), 15)
    line = next((line for line in house.said().splitlines() if "chit" in line), "")
    house.stop()
    yield f"the fault says path, value and what was expected: {line[-240:]}", told and "dialects" in line and "expected" in line
    yield "the last good one keeps serving", served is None
    yield "the next good one applies", applied


def disk(lab, folder, quick, addresses):
    """The disk of the data directory is full, and then is not; and one that may only be read."""
    place = os.path.join(folder, "disk")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True).returncode:
        raise NotShown("this user may not mount a small disk")
    try:
        house = House(lab, folder, data=os.path.join(place, "data")).start()
        ballast = os.path.join(place, "ballast")
        try:
            with open(ballast, "wb") as file:
                while True:
                    file.write(bytes(65536))
        except OSError:
            pass
        said = [house.chat() for _ in range(CALLS)]
        clean = [wrong for wrong in said if wrong is not None and '"error"' not in wrong]
        os.remove(ballast)
        back = until(lambda: house.chat() is None, 20)
        alive = house.child.alive()
        house.stop()
        good = sum(wrong is None for wrong in said)
        yield f"disk full: {good} of {CALLS} calls served, {CALLS - good} refused with a clear error, {len(clean)} otherwise", not clean and alive
        yield "served again once there is room", back
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True)


def _raw(port, data, patience=10):
    """Sends bytes and reads what comes until the other side closes."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            connection.sendall(data)
            while more := connection.recv(65536):
                said += more
        except OSError:
            pass
    return said


def hostile(lab, folder, quick, addresses):
    """Clients that mean harm."""
    house = House(lab, folder).start()
    house.chat()
    before = house.memory_kb()
    slow = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(500)]
    for number, connection in enumerate(slow):
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-slow: " + str(number).encode())
    yield "500 heads that never end: others are served", house.chat() is None
    bomb = _raw(house.port, b"GET / HTTP/1.1\r\nhost: gateway\r\n" + b"x-bomb: " + b"a" * (4 << 20) + b"\r\n\r\n")
    how = f"refused with {bomb[9:12].decode(errors='replace')}" if bomb else "cut before it was read"
    yield f"a head of 4 MB: {how}", bomb[9:12] in (b"431", b"400", b"")
    pairs = {
        "Content-Length beside Transfer-Encoding": b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: smuggled\r\n\r\n",
        "two Content-Length": b"content-length: 0\r\ncontent-length: 38\r\n\r\nGET /livez HTTP/1.1\r\nhost: smuggled\r\n\r\n",
        "an unknown Transfer-Encoding": b"transfer-encoding: xchunked\r\ncontent-length: 0\r\n\r\nGET /livez HTTP/1.1\r\nhost: smuggled\r\n\r\n",
    }
    for name, rest in pairs.items():
        said = _raw(house.port, b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: keep-alive\r\n" + rest, patience=3)
        # Refused at once, or read by the one rule of RFC 9112; in neither case may both readings be answered.
        yield f"{name}: one answer of {said.count(b'HTTP/1.1 ')}, {said[9:12].decode(errors='replace')}", said[9:10] == b"4" and b"\r\n\r\nok" not in said
    closed = until(lambda: all(_is_closed(connection) for connection in slow), 45, step=1)
    yield "the heads that never end are closed within 45 s", closed
    grown = house.memory_kb() - before
    yield f"memory grew by {grown // 1024} MB; expected 100 MB at most", grown < 100 << 10
    yield "a plain call is served afterwards", house.chat() is None
    house.stop()


def _is_closed(connection):
    connection.settimeout(0.001)
    try:
        while data := connection.recv(4096):
            pass
        return data == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _endless(port, size):
    """A provider whose one event is a line of `size` bytes."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ")
            try:
                for _ in range(size >> 20):
                    connection.sendall(b"a" * (1 << 20))
            except OSError:
                pass


def line(lab, folder, quick, addresses):
    """A provider sends one line that does not end."""
    size, port = (64 << 20) if quick else (1 << 30), free_port()
    threading.Thread(target=_endless, args=(port, size), daemon=True).start()
    house = House(lab, folder, provider=port).start()
    before, peak, over = house.memory_kb(), [0], threading.Event()

    def watch():
        while not over.wait(0.05):
            peak[0] = max(peak[0], house.memory_kb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    said = house.chat()
    over.set()
    watcher.join()
    grown = peak[0] - before
    yield f"a line of {size >> 20} MB: the client is told {str(said)[:120]!r}", said is not None and "error" in said
    yield f"memory grew by {grown // 1024} MB; expected 128 MB at most", grown < 128 << 10
    yield "the process lives", house.child.alive()
    house.stop()


# Others' load would be measured with these.
ALONE = ("gone",)

ROWS = {
    "kill": kill,
    "database": database,
    "redis": redis,
    "two": two,
    "drain": drain,
    "gone": gone,
    "swap": swap,
    "file": file,
    "disk": disk,
    "hostile": hostile,
    "line": line,
}
