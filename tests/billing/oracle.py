#!/usr/bin/env python3
"""Reckons costs from the text of the price list, independently of the gateway.

Written from docs/prices.md, with the standard library only, in whole numbers. Reads calls as JSON lines on standard input,

    {"vendor", "model", "tier": name or null, "tokens": {"input": [text, image, audio, video], ...},
     "images", "millis", "searches"}

and writes for each one line: {"nanos", "parts": [by bucket, then by piece], "missing": [units], "above"}.

Use: oracle.py PRICES < CALLS
"""

import json
import sys

BUCKETS = ["input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h", "output", "reasoning"]
KINDS = ["", ".image", ".audio", ".video"]
PIECES = ["request", "image", "second", "search"]
INSTEAD = {
    "input": [],
    "cache_read": ["input"],
    "cache_write_5m": ["cache_write_30m", "cache_write_1h", "input"],
    "cache_write_30m": ["cache_write_1h", "cache_write_5m", "input"],
    "cache_write_1h": ["cache_write_30m", "cache_write_5m", "input"],
    "output": [],
    "reasoning": ["output"],
}


# Amounts are counted in 10^-15, multipliers too: a product is in 10^-30. A token pays a millionth of its price and a
# millisecond a thousandth, so that costs are in 10^-36 dollars, and a nano-dollar is 10^27 of them.
ONE = 10**15
TOKEN, PIECE, MILLI = 1, 10**6, 10**3
NANO = 10**27


def amount(text):
    whole, _, decimals = text.partition(".")
    return int(whole + decimals) * 10 ** (15 - len(decimals))


def to_even(cost):
    """Whole nano-dollars; a half goes to the even neighbour."""
    whole, rest = divmod(cost, NANO)
    return whole + (1 if 2 * rest > NANO or (2 * rest == NANO and whole % 2 == 1) else 0)


def read(path):
    """The bands of each model: a list of (above, tier, {name: dollars})."""
    models = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if fields[0] != "price":
                continue
            bands = []
            for part in fields[7].split(";"):
                words = dict(word.split("=") for word in part.split())
                above, tier = int(words.pop("above", 0)), words.pop("tier", None)
                bands.append((above, tier, {name: amount(text) for name, text in words.items()}))
            models[fields[1], fields[2]] = bands
    return models


class Call:
    """One call's prices: the bands that hold for it."""

    def __init__(self, bands, prompt, tier):
        tier = tier and tier.lower()
        holds = [band for band in bands if prompt > band[0] or band[0] == 0]
        holds = [band for band in holds if band[1] is None or band[1].lower() == tier]
        self.bands = sorted(holds, key=lambda band: (band[0], band[1] is not None), reverse=True)

    def exactly(self, name):
        for _, tier, prices in self.bands:
            if name in prices:
                times = ONE
                if tier is None and name not in PIECES:
                    times = next((other["times"] for _, _, other in self.bands if "times" in other), ONE)
                return prices[name] * times
        return None

    def token(self, bucket, kind):
        names = [other + end for end in dict.fromkeys([kind, ""]) for other in [bucket, *INSTEAD[bucket]]]
        return next((price for price in map(self.exactly, names) if price is not None), None)


def cost(bands, call):
    tokens = call["tokens"]
    prompt = sum(sum(tokens[bucket]) for bucket in BUCKETS[:5])
    prices = Call(bands, prompt, call["tier"])
    by_token = any(name.split(".")[0] in BUCKETS for _, _, cells in bands for name in cells)
    used = any(any(counts) for counts in tokens.values()) or call["images"] or call["millis"] or call["searches"]
    costs = dict.fromkeys(BUCKETS + PIECES, 0)
    missing, paid = [], False
    counts = [1 if used else 0, call["images"], call["millis"], call["searches"]]
    for piece, count, scale in zip(PIECES, counts, [PIECE, PIECE, MILLI, PIECE]):
        price = prices.exactly(piece)
        if count and price is not None:
            costs[piece] = price * count * scale
            paid = paid or piece != "request"
        elif count and piece != "request" and (piece == "search" or not by_token):
            missing.append(piece)
    unpaid = []
    for bucket in BUCKETS:
        for kind, count in zip(KINDS, tokens[bucket]):
            price = prices.token(bucket, kind)
            if count and price is not None:
                costs[bucket] += price * count * TOKEN
            elif count and (by_token or not paid):
                unpaid.append(bucket + kind)
    running, before, parts = 0, 0, []
    for name in BUCKETS + PIECES:
        running += costs[name]
        now = to_even(running)
        parts.append(now - before)
        before = now
    return {"nanos": before, "parts": parts, "missing": unpaid + missing, "above": max(band[0] for band in prices.bands)}


def main():
    models = read(sys.argv[1])
    for line in sys.stdin:
        call = json.loads(line)
        print(json.dumps(cost(models[call["vendor"], call["model"]], call), separators=(",", ":")))


if __name__ == "__main__":
    main()
