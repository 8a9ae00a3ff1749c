"""Starts the gateway under test with a configuration of its own, waits until it is ready, and ends it by its process id."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import mock
from targets import CLIENT_KEY

READY_WITHIN = 30.0


def binary() -> Path:
    """The gateway's binary: `GPROXY_BIN`, or the debug build."""
    if chosen := os.environ.get("GPROXY_BIN"):
        return Path(chosen)
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "debug" / "gproxy"


def turned(protocol: str) -> str:
    """The rules that turn Chat Completions into another dialect."""
    rules = ", ".join(
        f'{{ route = {{ operation = "{operation}", protocol = "OpenAiChatCompletion" }}, '
        f'implementation = {{ TransformTo = {{ destination = {{ operation = "{operation}", protocol = "{protocol}" }} }} }} }}'
        for operation in ("GenerateContent", "StreamGenerateContent")
    )
    return f"[channels.dispatch]\nrules = [{rules}]\n"


def configuration(port: int, data: Path, mocks: mock.Mocks) -> str:
    """A gproxy.toml with the demo channel and the three mocks, each by every road that `targets` names."""
    upstreams = [
        *(("openai", "openai", mocks.openai, "", ""), ("anthropic", "anthropic", mocks.anthropic, "", ""), ("aistudio", "aistudio", mocks.gemini, "", "")),
        *(("vendor", "custom", mocks.openai, 'dialects = ["chat"]\n', ""), ("items", "openai", mocks.openai, "", turned("OpenAi"))),
        *(("messages", "anthropic", mocks.anthropic, "", turned("Claude")), ("contents", "aistudio", mocks.gemini, "", turned("Gemini"))),
    ]
    channels = "".join(
        f'\n[[channels]]\nid = "{name}"\nchannel = "{channel}"\nenabled = true\n[channels.settings]\nbase_url = "{running.url}"\n{settings}{rules}'
        f'[[channels.credentials]]\nid = "1"\nlabel = "mock"\nsecret = "{mock.KEYS[running.provider.name]}"\n'
        for name, channel, running, settings, rules in upstreams
    )
    return (
        f'[global]\nhost = "127.0.0.1"\nport = {port}\nadmin_key = "{CLIENT_KEY}"\ndata_dir = "{data}"\n'
        f'\n[[channels]]\nid = "demo"\nenabled = true\n{channels}'
    )


class Gateway:
    """One running gateway: over mocks by a file that says so, or without a file, on the records of its database and what `told` says alone."""

    def __init__(self, folder: Path, mocks: mock.Mocks | None = None, port: int | None = None, told: dict[str, str] | None = None) -> None:
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = folder / "gateway.log"
        flags = ["--host", "127.0.0.1", "--port", str(self.port), "--admin-key", CLIENT_KEY, "--data-dir", folder / "data"]
        if mocks:
            config = folder / "gproxy.toml"
            config.write_text(configuration(self.port, folder / "data", mocks))
            flags = ["--config", config]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GPROXY_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([binary(), *flags], cwd=folder, env=kept | (told or {}), stdout=log, stderr=log)
        self._await()

    def _await(self) -> None:
        deadline, pause = time.monotonic() + READY_WITHIN, threading.Event()
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self._process.returncode}:\n{self.tail()}")
            if self._ready():
                return
            pause.wait(0.02)
        self.close()
        raise RuntimeError(f"the gateway was not ready within {READY_WITHIN} s:\n{self.tail()}")

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def close(self) -> None:
        """Ends it, kindly first."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
