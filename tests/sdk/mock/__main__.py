"""Runs the mocks and prints where they listen, as one line of JSON; ends with its standard input or on Ctrl-C."""

from __future__ import annotations

import json
import sys

from . import KEYS, start

if __name__ == "__main__":
    mocks = start(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(json.dumps({mock.provider.name: {"url": mock.url, "key": KEYS[mock.provider.name]} for mock in mocks.all()}), flush=True)
    try:
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    mocks.close()
