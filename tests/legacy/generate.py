"""Writes a realistic file of another gateway, and says what is in it.

    generate.py FORMAT FILE UPSTREAM

FORMAT is one-api, new-api, litellm, first (the reference's first tables), sealed (the same
sealed), tenants (its next ones), later (its later tables) or bundle
(what those export). UPSTREAM is the address that the calls of the working keys go to. On the standard output: a JSON object with what
an import has to find, counted here and not by the gateway; with keys that have to work, and with some that must not; and with every
secret, none of which an import may show.
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import litellm_file  # noqa: E402
import one_api_file  # noqa: E402
import reference_file  # noqa: E402

WRITERS = {
    "one-api": lambda *given: one_api_file.write("one-api", *given),
    "new-api": lambda *given: one_api_file.write("new-api", *given),
    "litellm": litellm_file.write,
    "first": reference_file.first,
    "sealed": reference_file.sealed,
    "tenants": reference_file.tenants,
    "later": reference_file.later,
    "bundle": reference_file.bundle,
}


def main() -> None:
    which, path, upstream = sys.argv[1:4]
    # The same file each time.
    facts = WRITERS[which](Path(path), upstream, random.Random(which))
    json.dump(facts, sys.stdout)


main()
