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
    chance, checks, database = random.Random(1), [], gateway.database()
    for number in range(1, count + 1):
        rows_before, mock_before = ledger.counts(database), stage.mock.stats()
        ids = one_kill(stage, gateway, number, 1.0 + chance.random())
        ready_ms = gateway.start()
        requests = stage.mock.settled(pause=0.5)["requests"] - mock_before["requests"]
        found = ledger.settled(database)
        rows = {"all": found["rows"] - rows_before["rows"]}
        for name in ("complete", "interrupted"):
            rows[name] = found["ended"].get(name, 0) - rows_before["ended"].get(name, 0)
        say(
            f"kill {number}: ready again in {ready_ms:.0f} ms; {len(ids)} answers in whole at the client, {requests} requests at the mock, "
            f"{rows['all']} rows ({rows['complete']} complete, {rows['interrupted']} interrupted)"
        )
        missing = len(ids - ledger.request_ids(database))
        checks += [(number, text, holds) for text, holds in laws(len(ids), missing, requests, rows)]
    checks.append((count, "after all kills, a whole load adds up exactly", adds_up(stage, gateway)))
    return checks


def laws(answers, missing, requests, rows):
    """What must hold after a kill, however it fell."""
    # A call is written down before it is sent, or a kill between the two would lose a call that the provider bills.
    # A kill there the other way round leaves a row of a call that never left: harmless, told, and never more than was in flight.
    unsent = max(0, rows["all"] - requests)
    told = f" (but for {unsent} begun and killed before they were sent)" if unsent else ""
    yield "every answer that the client has in whole is a row", missing == 0
    yield "no more complete rows than requests at the mock", rows["complete"] <= requests
    yield f"no more rows than requests at the mock{told}", unsent <= min(IN_FLIGHT, rows["interrupted"])
    yield f"requests less answers in whole are at most what was in flight ({IN_FLIGHT})", 0 <= requests - answers <= IN_FLIGHT
    yield "as many complete rows as answers, or more by what was in flight", 0 <= rows["complete"] - answers <= IN_FLIGHT
    yield "as many interrupted rows as the difference says", rows["interrupted"] - unsent == requests - rows["complete"]
    yield "no row is anything else", rows["all"] == rows["complete"] + rows["interrupted"]


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
