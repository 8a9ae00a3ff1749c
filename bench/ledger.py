"""What the gateway's database says, against what the mock knows."""

import sqlite3
import time

from procs import Fault

# Columns of `usages`, and how the mock's counts give the same figure. Buckets are disjoint.
SUMS = {
    "input_tokens": lambda mock: mock["prompt_tokens"] - mock["cached_tokens"],
    "cache_read_tokens": lambda mock: mock["cached_tokens"],
    "cache_write_5m_tokens": lambda mock: 0,
    "cache_write_30m_tokens": lambda mock: 0,
    "cache_write_1h_tokens": lambda mock: 0,
    "output_tokens": lambda mock: mock["completion_tokens"] - mock["reasoning_tokens"],
    "reasoning_tokens": lambda mock: mock["reasoning_tokens"],
}


def query(database, sql):
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise Fault(f"the database cannot be read: {error}") from None
    finally:
        connection.close()


def counts(database):
    """Rows by how they ended, and sums of tokens."""
    ended = dict(query(database, "SELECT ended, count(*) FROM usages GROUP BY ended"))
    sums = query(database, f"SELECT {', '.join(f'coalesce(sum({column}), 0)' for column in SUMS)} FROM usages")[0]
    return {"rows": sum(ended.values()), "ended": ended, **dict(zip(SUMS, sums))}


def settled(database, expected=None, patience=30):
    """Reads the counts once there are `expected` rows, or once they stand still: the journal writes behind the answers."""
    deadline, quiet, before = time.monotonic() + patience, 0, None
    while True:
        rows = query(database, "SELECT count(*) FROM usages")[0][0]
        quiet = quiet + 1 if rows == before else 0
        if rows == expected or quiet >= (4 if expected is None else 20) or time.monotonic() > deadline:
            return counts(database)
        before = rows
        time.sleep(0.5)


def request_ids(database):
    """Every row's request id as 32 hexadecimal digits."""
    ids = set()
    for (value,) in query(database, "SELECT request_id FROM usages"):
        ids.add(value.hex() if isinstance(value, bytes) else str(value).replace("-", "").lower())
    return ids


def reconcile(database, mock):
    """Rows and sums must equal the mock's own counts exactly. Gives a list of lines (name, database, mock, equal)."""
    found = settled(database, mock["answered"])
    lines = [("rows", found["rows"], mock["requests"]), ("complete rows", found["ended"].get("complete", 0), mock["answered"])]
    lines += [(column, found[column], truth(mock)) for column, truth in SUMS.items()]
    return [(name, left, right, left == right) for name, left, right in lines]
