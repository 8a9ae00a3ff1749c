"""Kill -9 in the middle of a load, restart, and see that nothing that was answered is missing."""

import os
import random
import time

import ledger
from procs import Fault

CONNECTIONS = 32

LOADS = {
    "plain": ["--connections", CONNECTIONS],
    "streams": ["--connections", CONNECTIONS, "--model", "bench-sse-10-every-20", "--events", 10],
}
IN_FLIGHT = CONNECTIONS * len(LOADS)


def rounds(stage, gateway, count, say):
    """Kills `count` times on one data directory; gives the checks that were made as (round, text, holds)."""
    chance = random.Random(1)
    checks, ids = [], set()
    rows_before, mock_before = ledger.counts(gateway.database()), stage.mock.stats()
    for number in range(1, count + 1):
        ids |= one_kill(stage, gateway, number, 1.0 + chance.random())
        ready_ms = gateway.start()
        mock = {name: value - mock_before[name] for name, value in stage.mock.settled(pause=0.5).items()}
        found = ledger.settled(gateway.database())
        rows = found["rows"] - rows_before["rows"]
        ended = {name: found["ended"].get(name, 0) - rows_before["ended"].get(name, 0) for name in ("complete", "interrupted", "failed")}
        missing = len(ids - ledger.request_ids(gateway.database()))
        say(
            f"kill {number}: ready again in {ready_ms:.0f} ms; so far {len(ids)} answers in whole at the client, "
            f"{mock['requests']} requests at the mock, rows {rows} ({ended['complete']} complete, {ended['interrupted']} interrupted)"
        )
        slack = number * IN_FLIGHT
        for text, holds in [
            ("every answer that the client has in whole is a row", missing == 0),
            ("no more rows than requests at the mock", rows <= mock["requests"]),
            (f"requests less answers in whole are at most what was in flight ({slack})", 0 <= mock["requests"] - len(ids) <= slack),
            ("as many complete rows as answers, or more by what was in flight", 0 <= ended["complete"] - len(ids) <= slack),
            ("every other row is interrupted", ended["interrupted"] == rows - ended["complete"] and ended["failed"] == 0),
            ("every request at the mock is a row, complete or interrupted", rows == mock["requests"]),
        ]:
            checks.append((number, text, holds))
    checks.append((count, "after all kills, a whole load adds up exactly", adds_up(stage, gateway)))
    return checks


def one_kill(stage, gateway, number, after):
    """Loads, kills after so many seconds, and gives the ids of the answers that came in whole."""
    paths = {name: os.path.join(gateway.work, f"ids-{number}-{name}") for name in LOADS}
    loads = [stage.load(gateway, [*LOADS[name], "--warmup", 0, "--seconds", 60, "--ids", path], stream=True) for name, path in paths.items()]
    time.sleep(after)
    gateway.kill()
    total = sum(load.result()["total"] for load in loads)
    ids = []
    for path in paths.values():
        with open(path) as lines:
            ids += [line.strip().replace("-", "").lower() for line in lines]
    if "none" in ids or len(ids) != total or len(set(ids)) != total:
        raise Fault(f"{total} answers in whole, but {len(set(ids))} different ids of them")
    if total == 0:
        raise Fault("no answer came before the kill")
    return set(ids)


def adds_up(stage, gateway):
    """A load without a kill: rows and tokens grow by exactly what the mock gave."""
    database = gateway.database()
    rows_before, before = ledger.settled(database), stage.mock.stats()
    result = stage.load(gateway, ["--connections", CONNECTIONS, "--requests", 2000]).result()
    given = {name: value - before[name] for name, value in stage.mock.settled().items()}
    after = ledger.settled(database, rows_before["rows"] + given["answered"])
    sums = all(after[column] - rows_before[column] == truth(given) for column, truth in ledger.SUMS.items())
    return result["failed"] == 0 and after["rows"] - rows_before["rows"] == given["answered"] == 2000 and sums
