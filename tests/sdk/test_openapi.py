"""schemathesis runs the OpenAPI document against the admin API: no fault of the server, no answer outside the document, no bad input taken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway as under_test
import pytest
import wire
from openapi_hooks import ROWS
from targets import CLIENT_KEY

pytestmark = pytest.mark.gateway

SECONDS = int(os.environ.get("GPROXY_PROBE_SECONDS", "45"))
SEED = os.environ.get("GPROXY_PROBE_SEED", "1")

# Not all that a member must hold can be said in a schema: that a name is free, that a regular expression compiles, that a row stands.
LEFT_OUT = "positive_data_acceptance"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[under_test.Gateway]:
    """A gateway with some rows of each noun."""
    running = under_test.Gateway(tmp_path_factory.mktemp("probed"))
    for number in range(1, ROWS + 1):
        furnish(running.base, number)
    yield running
    running.close()


def made(base: str, path: str, **row: Any) -> dict[str, Any]:
    """Makes a row, as the administrator."""
    answer = wire.send("POST", f"{base}/admin/{path}", row, {"x-api-key": CLIENT_KEY})
    assert answer.status == 200, f"{path}: {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def furnish(base: str, number: int) -> None:
    """Makes one row of each noun."""
    name = f"row-{number}"
    organization = made(base, "orgs", name=name)["id"]
    made(base, f"orgs/{organization}/teams", name=name)
    user = made(base, "users", name=name, organization_id=organization)["id"]
    made(base, f"users/{user}/keys", label=name)
    provider = made(base, "providers", name=name, channel="demo")["id"]
    made(base, f"providers/{provider}/credentials", api_key=f"sk-{name}")
    made(base, f"providers/{provider}/models", model_id=name)
    route = made(base, "routes", name=name)["id"]
    made(base, f"routes/{route}/members", provider_id=provider, upstream_model="echo")
    made(base, "aliases", provider="*", alias=name, target="echo")
    rules = made(base, "rule-sets", name=name)["id"]
    made(base, f"rule-sets/{rules}/rules", kind="header", config_json={"name": "x-row", "value": name})
    made(base, f"providers/{provider}/rule-sets", rule_set_id=rules)
    scope = {"scope": "user", "scope_id": user}
    made(base, "route-permissions", pattern="*", **scope)
    made(base, "rate-limits", requests_per_minute=60, **scope)
    made(base, "quotas", total="1", **scope)
    made(base, "price-rules", pattern=name, rates_json={"input": "1"})


@pytest.mark.timeout(SECONDS + 60)
def test_every_answer_is_as_the_document_says(house: under_test.Gateway) -> None:
    prober = made(house.base, "users", name="prober", role="owner")["id"]
    key = made(house.base, f"users/{prober}/keys", label="prober")
    command = [
        *(Path(sys.executable).with_name("st"), "run", f"{house.base}/admin/openapi.json", "--header", f"Authorization: Bearer {key['api_key']}"),
        *("--phases", "coverage,fuzzing,stateful", "--exclude-checks", LEFT_OUT, "--max-examples", "25", "--continue-on-failure"),
        *("--max-time", str(SECONDS), "--seed", SEED, "--generation-database", "none", "--no-color", "--warnings", "off"),
    ]
    told = {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(Path(__file__).parent), "PROBER_USER": str(prober), "PROBER_KEY": str(key["id"])}
    found = subprocess.run(command, env=os.environ | told, cwd=house.log.parent, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout[-12000:]}\n{found.stderr[-2000:]}\n{house.tail()}"
    # A prober that lost its key would find every answer good.
    assert wire.send("GET", f"{house.base}/user/me", headers={"x-api-key": key["api_key"]}).status == 200
    assert "panicked" not in house.log.read_text(errors="replace")
