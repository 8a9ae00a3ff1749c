"""A gateway of its own for each fault: the misbehaving provider behind it, callers before it, and a pipe that may be shut."""

import http.client
import json
import os
import signal
import socket
import threading
import time

from procs import Child, Fault, free_port, wait_port, wait_ready

KEY = "sk-faults-scratch-gateway"


class NotShown(Exception):
    """A row cannot be played on this machine; its text says why."""


class Lab:
    """`gproxy lab serve`."""

    def __init__(self, binary, log):
        self.binary, self.port = binary, free_port()
        self.child = Child("lab", [binary, "lab", "serve", "--listen", f"127.0.0.1:{self.port}"], 0, log)
        wait_port(self.child, self.port)


class House:
    """A gateway whose provider `lab` is the misbehaving one, or another port."""

    def __init__(self, lab, folder, settings="", flags=(), provider=None, data=None, dialects=("chat",), env=None):
        self.lab, self.folder, self.settings, self.flags = lab, folder, settings, list(flags)
        self.port, self.provider, self.data = free_port(), provider or lab.port, data or os.path.join(folder, "data")
        self.config, self.log = os.path.join(folder, "gproxy.toml"), os.path.join(folder, "log")
        self.dialects, self.env, self.child = list(dialects), dict(env or {}), None
        self.write()

    def text(self):
        return (
            f'[global]\nhost = "127.0.0.1"\nport = {self.port}\nadmin_key = "{KEY}"\ndata_dir = "{self.data}"\n[runtime]\n{self.settings}\n'
            f'[[channels]]\nid = "lab"\nchannel = "custom"\n[channels.settings]\nbase_url = "http://127.0.0.1:{self.provider}"\ndialects = {json.dumps(self.dialects)}\n'
            f'[[channels.credentials]]\nlabel = "lab"\nsecret = "sk-of-no-account"\n'
        )

    def write(self, text=None):
        with open(self.config, "w") as file:
            file.write(text or self.text())

    def start(self):
        # Nothing of the environment of whoever runs this reaches the scratch gateway.
        self.child = Child("gateway", [self.lab.binary, "--config", self.config, *self.flags], 1, self.log, env=self.env)
        wait_ready(self.child, self.port, patience=60)
        return self

    def stop(self):
        self.child.stop(patience=60)

    def ask(self, method, path, body=None, key=KEY, timeout=60, connection=None, ids=None):
        """A request; its status and its body."""
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            own.request(method, path, None if body is None else json.dumps(body), headers)
            reply = own.getresponse()
            said = reply.read()
            if ids is not None:
                ids.append(reply.headers["x-gproxy-request-id"].replace("-", ""))
            return reply.status, said
        finally:
            if connection is None:
                own.close()

    def admin(self, method, path, body=None):
        """A call of the admin API that has to work."""
        status, said = self.ask(method, path, body)
        if status // 100 != 2:
            raise Fault(f"{method} {path}: {status}: {said.decode(errors='replace')}")
        return json.loads(said)

    def chat(self, model="lab/healthy", key=KEY, connection=None, ids=None):
        """A streamed chat; nothing where the whole answer came, else what came. Its id goes into `ids`."""
        body = {"model": model, "messages": [{"role": "user", "content": "count"}], "stream": True}
        status, said = self.ask("POST", "/v1/chat/completions", body, key, connection=connection, ids=ids)
        text = said.decode(errors="replace")
        return None if status == 200 and text.endswith("data: [DONE]\n\n") and '" sixty"' in text else f"{status}: {text[-200:]}"

    def rows(self):
        return self.admin("GET", "/admin/usage/summary")["requests"]

    def row_ids(self):
        """The ids of all usage rows, as often as they stand there."""
        found, before = [], ""
        while page := self.admin("GET", f"/admin/usage?limit=1000{before}"):
            rows = page if isinstance(page, list) else page["usage"]
            if not rows:
                break
            found += [row["request_id"].replace("-", "") for row in rows]
            before = f"&before={rows[-1]['request_id']}"
        return found

    def kill(self):
        self.child.stop(signal.SIGKILL)

    def memory_kb(self):
        return self.child.memory_kb()

    def handles(self):
        """Files, sockets and the like that the process holds."""
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()


class Callers:
    """People who ask one after the other until they are told to stop."""

    def __init__(self, house, count=8, model="lab/healthy", pause=0.05):
        self.house, self.model, self.pause = house, model, pause
        self.ids, self.failed, self._lock, self._over = set(), [], threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=60)
        while not self._over.is_set():
            ids = []
            try:
                wrong = self.house.chat(self.model, connection=connection, ids=ids)
            except (OSError, http.client.HTTPException) as fault:
                wrong = repr(fault)
                connection.close()
            with self._lock:
                if wrong is None:
                    self.ids.update(ids)
                else:
                    self.failed.append(wrong)
            self._over.wait(self.pause)
        connection.close()

    @property
    def whole(self):
        return len(self.ids)

    def stop(self):
        self._over.set()
        for thread in self.threads:
            thread.join(90)
        return self

    def first_failure(self):
        return f"; the first: {self.failed[0]!r}" if self.failed else ""


class Pipe:
    """A TCP way to another port, which may be shut: then open connections break and new ones are refused."""

    def __init__(self, host, port):
        self.to, self._open, self._lock, self._listener = (host, port), set(), threading.Lock(), None
        self.port = free_port()
        self.up()

    def up(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self):
        # A thread that waits in accept() keeps the port, unless it is woken.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.to)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self._lock:
            self._open -= {source, sink}


def until(holds, patience, step=0.2):
    """Waits until something holds; whether it came to that."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except (OSError, Fault, http.client.HTTPException):
            pass
        time.sleep(step)
    return False
