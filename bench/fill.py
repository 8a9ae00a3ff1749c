#!/usr/bin/env python3
"""Fills a gateway's SQLite ledger with usage rows, sealed and summed as the gateway does it, and times its screens.

    gproxy --data-dir DIR        # once, to make the database and the key; stop it
    bench/fill.py DIR ROWS [DAYS]
    bench/fill.py --time http://127.0.0.1:8787 ADMIN_KEY [DAYS]

The seals are made here a second time, in another language: `gproxy verify` on a filled ledger holds the two against each other.
"""

import hashlib
import hmac
import random
import sqlite3
import statistics
import struct
import sys
import time
import urllib.request

HOUR, DAY = 3_600_000, 86_400_000
SEALS = 1 << 62
COLUMNS = 27
BATCH = 50_000
MODELS = [("gpt-5", 1), ("gpt-5-mini", 1), ("gpt-4o", 1), ("claude-sonnet-4-5", 2), ("claude-haiku-4-5", 2), ("gemini-2.5-pro", 3)]
USERS, KEYS = 200, 400


def hkdf(secret, info):
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


class Sealer:
    def __init__(self, secret):
        key = hkdf(hkdf(secret, b"gproxy: secrets at rest, v2"), b"gproxy: seals of usage rows, v1")
        self.state = hashlib.sha256(key + bytes(32))

    def digest(self, sheet):
        state = self.state.copy()
        state.update(sheet)
        return state.digest()

    def seal(self, sheet):
        return max(1, struct.unpack("<q", self.digest(sheet)[:8])[0] % SEALS)


def text(value):
    data = value.encode()
    return b"\x02" + struct.pack("<Q", len(data)) + data


def ints(*values):
    return b"".join(b"\x00" if value is None else b"\x01" + struct.pack("<q", value) for value in values)


def callers():
    """Each key's user, organization and habits: a model that it asks mostly, and another."""
    keys = []
    for key in range(1, KEYS + 1):
        user = (key - 1) % USERS + 1
        organization = user % 10 + 1 if user % 3 else None
        keys.append((user, key, None, organization, MODELS[key % 6], MODELS[(key * 5 + 1) % 6]))
    return keys


def rows(sealer, count, first_ms, last_ms, seed=7):
    """Rows in the order of their ids, each with the dimensions and figures that its rollups add."""
    pick, keys = random.Random(seed), callers()
    weights = [1 / (place + 1) ** 0.8 for place in range(KEYS)]
    words = text("generate_content") + text("claude_messages")
    after = b"\x00" + text("upstream") + text("complete")
    step = (last_ms - first_ms) / count
    number = 0
    while number < count:
        chosen = pick.choices(keys, weights, k=min(10_000, count - number))
        for user, key, team, organization, main, other in chosen:
            at = int(first_ms + number * step)
            model, provider = main if pick.random() < 0.85 else other
            credential = provider * 2 + (number & 1)
            fresh, read, output = pick.randrange(20, 4000), pick.choice((0, 0, 1024)), pick.randrange(5, 900)
            latency = pick.randrange(200_000, 20_000_000)
            cost = fresh * 1250 + read * 125 + output * 10_000
            request = "%012x7%03x8%015x" % (at, number & 0xFFF, number)
            sheet = b"".join((
                b"\x01", text(request), ints(at, user, key, team, organization, provider, credential), words, text(model),
                ints(fresh, read, 0, 0, 0, output, 0), after, ints(200, latency // 3, latency, cost), text("2025-01-01"),
            ))
            seal = sealer.seal(sheet)
            yield (
                (request, at, user, key, team, organization, provider, credential, "generate_content", "claude_messages", model,
                 fresh, read, 0, 0, 0, output, 0, None, "upstream", "complete", 200, latency // 3, latency, cost, "2025-01-01", seal),
                (at - at % HOUR, user, key, team, organization, provider, credential, model),
                (1, fresh, read, output, cost, seal),
            )
            number += 1


def add(sums, key, figures):
    known = sums.get(key)
    sums[key] = figures if known is None else (*(one + more for one, more in zip(known[:5], figures[:5])), (known[5] + figures[5]) % SEALS)


def write_rollups(database, sealer, span, sums):
    def line(item):
        (at, user, key, team, organization, provider, credential, model), (requests, fresh, read, output, cost, seal) = item
        sheet = b"\x02" + ints(user, key, team, organization, provider, credential) + text("generate_content") + text(model)
        return (span, at, sealer.seal(sheet), user, key, team, organization, provider, credential, "generate_content", model, requests,
                fresh, read, 0, 0, 0, output, 0, 0, 0, 0, cost, requests, 0, seal, 0)
    lines = sorted(map(line, sums.items()), key=lambda line: line[:3])
    database.executemany(f"INSERT INTO usage_rollups VALUES ({','.join('?' * 27)})", lines)


def fill(folder, count, days):
    with open(f"{folder}/secret.key", encoding="utf8") as file:
        sealer = Sealer(file.read().strip().encode())
    database = sqlite3.connect(f"{folder}/gproxy.db", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    if database.execute("SELECT count(*) FROM usages").fetchone()[0]:
        sys.exit("the ledger has rows already: fill an empty one")
    last = int(time.time() * 1000) // HOUR * HOUR
    first = (last - days * DAY) // DAY * DAY
    hours, by_day, whole, batch, begun = {}, {}, (0, 0, 0), [], time.monotonic()
    hour = day = None
    insert = f"INSERT INTO usages VALUES ({','.join('?' * COLUMNS)})"
    for row, key, figures in rows(sealer, count, first, last):
        if key[0] != hour and hour is not None:
            database.execute("BEGIN") if not database.in_transaction else None
            write_rollups(database, sealer, 1, hours)
            hours = {}
        if key[0] - key[0] % DAY != day and day is not None:
            write_rollups(database, sealer, 24, by_day)
            by_day = {}
        hour, day = key[0], key[0] - key[0] % DAY
        add(hours, key, figures)
        add(by_day, (day, *key[1:]), figures)
        whole = (whole[0] + 1, whole[1] + figures[4], (whole[2] + figures[5]) % SEALS)
        batch.append(row)
        if len(batch) == BATCH:
            database.execute("BEGIN") if not database.in_transaction else None
            database.executemany(insert, batch)
            database.execute("COMMIT")
            batch.clear()
    database.execute("BEGIN") if not database.in_transaction else None
    database.executemany(insert, batch)
    write_rollups(database, sealer, 1, hours)
    write_rollups(database, sealer, 24, by_day)
    head = (*whole, 0)
    mark = sealer.digest(b"\x03" + ints(*head)).hex()
    database.execute("UPDATE usage_head SET requests = ?, cost_nanos = ?, seal = ?, adopted = ?, mark = ?", (*head, mark))
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print(f"{count} rows over {days} days in {time.monotonic() - begun:.0f} s")


def timed(address, key, days):
    now = int(time.time() * 1000)
    month, week = now - 30 * DAY, now - 7 * DAY - 123_456
    asks = [
        ("log page, newest", "/admin/usage?limit=100"),
        ("log page, in the middle", f"/admin/usage?limit=100&to_ms={now - days * DAY // 2}"),
        ("log page of a user", "/admin/usage?limit=100&user_id=3"),
        ("log page of a user who is rare", f"/admin/usage?limit=100&user_id={USERS}"),
        ("log page of a model", "/admin/usage?limit=100&model=gemini-2.5-pro"),
        ("log page of nobody", "/admin/usage?limit=100&user_id=987654"),
        ("summary of everything", "/admin/usage/summary"),
        ("summary of 30 days", f"/admin/usage/summary?from_ms={month}"),
        ("summary of 7 days, not at an hour", f"/admin/usage/summary?from_ms={week}&to_ms={now - 1}"),
        ("summary of a user", "/admin/usage/summary?user_id=3"),
        ("summary of a model, 30 days", f"/admin/usage/summary?from_ms={month}&model=gpt-5"),
    ]
    for name, path in asks:
        took = []
        for _ in range(7):
            request = urllib.request.Request(address + path, headers={"authorization": f"Bearer {key}"})
            begun = time.monotonic()
            with urllib.request.urlopen(request) as answer:
                answer.read()
            took.append((time.monotonic() - begun) * 1000)
        print(f"{name:36} median {statistics.median(took):8.1f} ms   worst {max(took):8.1f} ms")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--time"] and len(arguments) >= 3:
        timed(arguments[1].rstrip("/"), arguments[2], int(arguments[3]) if len(arguments) > 3 else 90)
    elif len(arguments) >= 2:
        fill(arguments[0], int(arguments[1]), int(arguments[2]) if len(arguments) > 2 else 90)
    else:
        sys.exit(__doc__)
