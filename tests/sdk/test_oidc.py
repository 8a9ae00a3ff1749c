"""Sign-in against a real OpenID provider, npm oidc-provider on loopback, as a browser goes through it: its pages, its cookies, its redirects."""

from __future__ import annotations

import html
import http.cookiejar
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import gateway as under_test
import pytest
import wire
from targets import CLIENT_KEY

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(120)]

HERE = Path(__file__).resolve().parent
SECRET = "a secret/+of the=client"
HALF_A_DAY_MS = 12 * 60 * 60 * 1000

PEOPLE = {
    "ann": {"email": "ann@example.com", "email_verified": True, "groups": ["staff", "gateway-ops"]},
    "bob": {"email": "bob@example.com", "email_verified": True, "groups": ["staff"]},
    "eve": {"email": "eve@elsewhere.example", "email_verified": True},
    "sly": {"email": "ann@example.com", "email_verified": False},
    "new": {"email": "new@example.com", "email_verified": True},
}

# Each algorithm of tokens and each way in which a client says who it is, at least once.
CLIENTS = {
    "RS256": "client_secret_basic",
    "ES256": "client_secret_post",
    "PS256": "none",
    "EdDSA": "client_secret_basic",
}


class Provider:
    """The provider, run by node. `ports` are those of the gateways that it knows, by the algorithm that each is given tokens by."""

    def __init__(self, ports: dict[str, int]) -> None:
        made = subprocess.run([HERE.parents[1] / "scripts" / "node.sh", "oidc"], capture_output=True, text=True)
        if made.returncode:
            pytest.fail(made.stderr.strip(), pytrace=False)
        clients = [self._client(algorithm, port) for algorithm, port in ports.items()]
        home = made.stdout.strip()
        environment = {**os.environ, "GPROXY_NODE_HOME": home}
        command = [f"{home}/node", HERE / "oidc" / "provider.mjs", json.dumps({"clients": clients, "people": PEOPLE})]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        self.issuer: str = json.loads(self._line())["issuer"]

    @staticmethod
    def _client(algorithm: str, port: int) -> dict[str, Any]:
        way = CLIENTS[algorithm]
        secret = {} if way == "none" else {"client_secret": SECRET}
        return {
            "client_id": algorithm,
            "redirect_uris": [f"http://127.0.0.1:{port}/login/oidc/callback"],
            "id_token_signed_response_alg": algorithm,
            "token_endpoint_auth_method": way,
            **secret,
        }

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def change_keys(self) -> None:
        """Other keys from now on."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._line() == "\n"

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Page:
    """Where a browser has come to."""

    status: int
    url: str
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Browser(urllib.request.HTTPRedirectHandler):
    """Keeps cookies, goes where it is sent, and fills forms in."""

    def __init__(self) -> None:
        self.jar = http.cookiejar.CookieJar()
        self.stops_at: str | None = None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar), self)

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if self.stops_at and newurl.startswith(self.stops_at):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def visit(self, url: str, form: dict[str, str] | None = None) -> Page:
        data = urlencode(form).encode() if form is not None else None
        try:
            reply = self._opener.open(url, data, timeout=20)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            return Page(reply.status, reply.url, reply.headers, reply.read().decode())

    def sign_in(self, base: str, name: str) -> Page:
        """Begins at the gateway, and goes through the provider's pages as this person."""
        page = self.visit(f"{base}/login/oidc")
        while "<form" in page.text:
            action = urljoin(page.url, html.unescape(re.findall(r'<form[^>]*action="([^"]+)"', page.text)[0]))
            prompt = re.findall(r'name="prompt" value="([^"]+)"', page.text)[0]
            page = self.visit(action, {"prompt": prompt, "login": name, "password": "any"})
        return page

    def way_back(self, base: str, name: str) -> str:
        """The same, but stops before it goes back to the gateway."""
        self.stops_at = f"{base}/login/oidc/callback"
        page = self.sign_in(base, name)
        self.stops_at = None
        return str(page.headers["location"])


@dataclass(frozen=True)
class House:
    """The provider, and a gateway for each of its clients."""

    provider: Provider
    gateways: dict[str, under_test.Gateway]

    def base(self, algorithm: str = "RS256") -> str:
        return self.gateways[algorithm].base


SETTINGS = {
    "RS256": {"GPROXY_OIDC_CLAIM": "email"},
    "ES256": {"GPROXY_OIDC_CREATE": "true", "GPROXY_OIDC_ORGANIZATION": "acme", "GPROXY_OIDC_ALLOWED_DOMAINS": "example.com"},
    "PS256": {"GPROXY_OIDC_CLAIM": "sub", "GPROXY_OIDC_CREATE": "true", "GPROXY_OIDC_ROLE_CLAIM": "groups", "GPROXY_OIDC_ROLES": "gateway-ops=operator"},
    "EdDSA": {},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    ports = {algorithm: under_test.free_port() for algorithm in CLIENTS}
    provider = Provider(ports)
    gateways = {}
    try:
        for algorithm, port in ports.items():
            folder = tmp_path_factory.mktemp(algorithm)
            (folder / "secret").write_text(f"{SECRET}\n")
            secret = {} if CLIENTS[algorithm] == "none" else {"GPROXY_OIDC_CLIENT_SECRET_FILE": str(folder / "secret")}
            told = {
                "GPROXY_OIDC_ISSUER": provider.issuer,
                "GPROXY_OIDC_CLIENT_ID": algorithm,
                "GPROXY_OIDC_REDIRECT_URL": f"http://127.0.0.1:{port}/login/oidc/callback",
                "GPROXY_LOG_LEVEL": "trace",
                **secret,
                **SETTINGS[algorithm],
            }
            gateways[algorithm] = under_test.Gateway(folder, port=port, told=told)
            admin(gateways[algorithm].base, "POST", "orgs", name="acme")
            for name in ("ann@example.com", "bob@example.com"):
                if algorithm in ("RS256", "EdDSA"):
                    admin(gateways[algorithm].base, "POST", "users", name=name)
        yield House(provider, gateways)
    finally:
        provider.close()
        for running in gateways.values():
            running.close()


def admin(base: str, method: str, path: str, **body: Any) -> Any:
    """Asks as the administrator."""
    answer = wire.send(method, f"{base}/admin/{path}", body or None, {"x-api-key": CLIENT_KEY})
    assert answer.status == 200, f"{path}: {answer.text}"
    return answer.json()


def whoami(base: str, key: str) -> wire.Answer:
    return wire.send("GET", f"{base}/user/me", headers={"authorization": f"Bearer {key}"})


def let_in(page: Page) -> dict[str, Any]:
    assert page.status == 200, page.text
    session: dict[str, Any] = page.json()
    return session


def refused(page: Page, status: int, about: str) -> None:
    assert page.status == status, page.text
    error = page.json()["error"]
    assert about in error["message"] and error["type"], error


def test_a_person_comes_in_as_by_password(house: House) -> None:
    base = house.base()
    browser = Browser()
    session = let_in(browser.sign_in(base, "ann"))
    assert session["name"] == "ann@example.com" and not session["is_admin"]
    assert abs(session["expires_at"] - time.time() * 1000 - HALF_A_DAY_MS) < 60_000
    assert whoami(base, session["api_key"]).json()["id"] == session["user_id"]
    assert not [cookie for cookie in browser.jar if cookie.name.startswith("gproxy")], "the cookie is over"
    entries = [entry for entry in admin(base, "GET", "audit") if entry["target_id"] == session["user_id"]]
    assert [entry["action"] for entry in entries] == ["login", "update", "create"]
    assert entries[0]["after"]["by"] == "oidc" and entries[0]["actor_name"] == "ann@example.com" and entries[0]["peer"] == "127.0.0.1"
    # The provider still knows the browser: no page asks for anything, and the key is another one.
    again = let_in(browser.visit(f"{base}/login/oidc"))
    assert again["key_id"] != session["key_id"] and again["user_id"] == session["user_id"]


def test_a_session_ends_with_another_password_and_a_disabled_user_has_none(house: House) -> None:
    base = house.base()
    session = let_in(Browser().sign_in(base, "bob"))
    admin(base, "PATCH", f"users/{session['user_id']}", password="another one")
    assert whoami(base, session["api_key"]).status == 401
    session = let_in(Browser().sign_in(base, "bob"))
    admin(base, "PATCH", f"users/{session['user_id']}", enabled=False)
    assert whoami(base, session["api_key"]).status == 401
    refused(Browser().sign_in(base, "bob"), 403, "disabled")
    admin(base, "PATCH", f"users/{session['user_id']}", enabled=True)


def test_strangers_and_addresses_that_nobody_verified_stay_outside(house: House) -> None:
    base = house.base()
    before = len(admin(base, "GET", "users"))
    refused(Browser().sign_in(base, "new"), 403, "ask an administrator")
    refused(Browser().sign_in(base, "sly"), 403, "verified")
    assert len(admin(base, "GET", "users")) == before
    failed = admin(base, "GET", "audit")[0]
    assert (failed["action"], failed["after"]["by"]) == ("login_failed", "oidc")


def test_a_newcomer_becomes_a_user_where_that_is_told_and_no_foreign_domain_does(house: House) -> None:
    base = house.base("ES256")
    session = let_in(Browser().sign_in(base, "new"))
    user = whoami(base, session["api_key"]).json()
    assert (user["name"], user["role"], user["has_password"]) == ("new@example.com", "member", False)
    assert user["organization_id"] == admin(base, "GET", "orgs")[0]["id"]
    refused(Browser().sign_in(base, "eve"), 403, "domain")


def test_a_claim_says_the_role_where_it_may(house: House) -> None:
    base = house.base("PS256")
    for name, role in (("ann", "operator"), ("bob", "member")):
        session = let_in(Browser().sign_in(base, name))
        user = whoami(base, session["api_key"]).json()
        assert (user["name"], user["role"]) == (name, role)
        seen = wire.send("GET", f"{base}/admin/providers", headers={"x-api-key": session["api_key"]}).status
        assert seen == (200 if role == "operator" else 403)


def test_only_the_browser_that_began_ends_it_and_once(house: House) -> None:
    base = house.base("EdDSA")
    browser = Browser()
    back = browser.way_back(base, "ann")
    refused(Browser().visit(back), 400, "/login/oidc")
    refused(browser.visit(back.replace("state=", "state=x")), 400, "/login/oidc")
    kept = [cookie for cookie in browser.jar if cookie.name.startswith("gproxy")]
    assert len(kept) == 1 and kept[0].path == "/login" and kept[0].has_nonstandard_attr("HttpOnly")
    let_in(browser.visit(back))
    refused(browser.visit(back), 400, "/login/oidc")
    # The same browser with its old cookie, the same state: it was used.
    browser.jar.set_cookie(kept[0])
    refused(browser.visit(back), 400, "/login/oidc")
    # A fresh sign-in with a code that was used: the provider refuses it.
    code = re.findall(r"code=([^&]+)", back)[0]
    other = browser.way_back(base, "ann")
    refused(browser.visit(re.sub(r"code=[^&]+", f"code={code}", other)), 401, "code")


def test_whoever_says_no_at_the_provider_stays_outside(house: House) -> None:
    browser = Browser()
    page = browser.visit(f"{house.base('ES256')}/login/oidc")
    abort = re.findall(r'href="([^"]+/abort)"', page.text)[0]
    refused(browser.visit(urljoin(page.url, html.unescape(abort))), 401, "access_denied")


def test_new_keys_of_the_provider_are_taken(house: House) -> None:
    base = house.base("ES256")
    let_in(Browser().sign_in(base, "new"))
    house.provider.change_keys()
    let_in(Browser().sign_in(base, "new"))


def test_no_secret_is_in_the_log(house: House) -> None:
    for running in house.gateways.values():
        log = running.log.read_text(errors="replace")
        assert SECRET not in log and "a+secret" not in log and "panicked" not in log
        assert "enc:v2" not in log and "code=" not in log and "eyJ" not in log
