"""The row of `make faults` about credentials that are renewed: a strict token endpoint, and two instances on one PostgreSQL."""

import concurrent.futures
import http.server
import json
import os
import threading
import time
from urllib.parse import parse_qs, urlsplit

from house import House
from surroundings import psql

CALLERS = 500


class Issuer:
    """A token endpoint that takes each refresh token once, and the provider behind it, which takes the newest access token alone."""

    def __init__(self, first, lasts):
        self.good, self.lasts, self.asked, self.refused, self.strangers, self.calls = first, lasts, 0, 0, 0, 0
        self.valid, self._lock = {}, threading.Lock()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status, said = issuer.token(body) if self.path == "/token" else issuer.call(self.headers["authorization"])
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, body):
        form = {name: values[0] for name, values in parse_qs(body).items()}
        # As long as a real one takes, so that callers do come meanwhile.
        time.sleep(0.3)
        with self._lock:
            self.asked += 1
            if form.get("grant_type") != "refresh_token" or form.get("client_id") != "faults" or form.get("refresh_token") != self.good:
                self.refused += 1
                return 400, {"error": "invalid_grant"}
            self.good, token = f"refresh-{self.asked}", f"access-{self.asked}"
            self.valid = {f"Bearer {token}": time.monotonic() + self.lasts}
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.lasts, "refresh_token": self.good}

    def call(self, proof):
        with self._lock:
            self.calls += 1
            if self.valid.get(proof, 0) < time.monotonic():
                self.strangers += 1
                return 401, {"error": {"message": "invalid token"}}
        return 200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": "one"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}

    def revoke(self):
        with self._lock:
            self.valid = {}


class Renewing(House):
    """A house whose provider's credential is a refresh token."""

    def text(self):
        return super().text().replace(
            f'dialects = {json.dumps(self.dialects)}\n',
            f'dialects = {json.dumps(self.dialects)}\n[channels.settings.oauth]\ntoken_url = "http://127.0.0.1:{self.provider}/token"\nclient_id = "faults"\n',
        )


def _together(houses):
    """So many calls at once, over the houses in turn; what was not served."""
    body = {"model": "lab/m", "messages": [{"role": "user", "content": "count"}]}

    def one(number):
        try:
            status, said = houses[number % len(houses)].ask("POST", "/v1/chat/completions", body)
            return None if status == 200 else f"{status}: {said[-200:]!r}"
        except OSError as fault:
            return repr(fault)

    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        return [wrong for wrong in pool.map(one, range(CALLERS)) if wrong]


def renewal(lab, folder, quick, addresses):
    """500 callers at two instances on a token that expires, with a refresh token that works once."""
    address, name = addresses["GPROXY_TEST_POSTGRES"], f"gproxy_faults_tokens_{os.getpid()}"
    server = urlsplit(address)
    psql(address, f"CREATE DATABASE {name}")
    flags = ["--dsn", f"postgres://{server.username}@{server.hostname}:{server.port}/{name}", "--database-secret-key", "faults"]
    # Above the minute before its end in which a token is renewed while calls go on with it.
    issuer = Issuer("sk-of-no-account", 75)
    try:
        houses = []
        for place in ("one", "other"):
            os.mkdir(os.path.join(folder, place))
            houses.append(Renewing(lab, os.path.join(folder, place), flags=flags, provider=issuer.port).start())
        told = lambda: f"{issuer.asked} calls of the token endpoint, {issuer.refused} with a spent refresh token"
        wrong = _together(houses)
        yield f"{CALLERS} callers at two instances, no token yet: {told()}; {len(wrong)} of them failed{_first(wrong)}", (issuer.asked, issuer.refused, len(wrong)) == (1, 0, 0)
        issuer.revoke()
        wrong = _together(houses)
        yield f"the token is revoked: {told()}; {len(wrong)} of {CALLERS} failed{_first(wrong)}", (issuer.asked, issuer.refused, len(wrong)) == (2, 0, 0)
        time.sleep(20)
        wrong = _together(houses)
        # The renewal runs beside the calls that go out with the old token.
        time.sleep(1.5)
        yield f"the token is about to expire: {told()}; {len(wrong)} of {CALLERS} failed{_first(wrong)}", (issuer.asked, issuer.refused, len(wrong)) == (3, 0, 0)
        for house in houses:
            house.kill()
        issuer.revoke()
        for house in houses:
            house.start()
        wrong = _together(houses)
        yield f"after kill -9 of both, the token revoked meanwhile: {told()}; {len(wrong)} of {CALLERS} failed{_first(wrong)}", (issuer.asked, issuer.refused, len(wrong)) == (4, 0, 0)
        for house in houses:
            house.stop()
        said = "".join(house.said() for house in houses)
        rests = psql(address, "SELECT secret_sealed FROM credentials", name)
        sealed = rests.startswith("enc:v2:") and not any(word in said + rests for word in ("refresh-", "access-", "sk-of-no-account"))
        yield "the tokens rest sealed, and none stands in a log", sealed
    finally:
        psql(address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _first(wrong):
    return f"; the first: {wrong[0]}" if wrong else ""
