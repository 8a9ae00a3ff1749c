"""The scenes of a run: what is asked of each target, and what is read off."""

import time
from dataclasses import dataclass

from procs import Fault, Load, Mock
from targets import ADMIN_KEY

BODY_BYTES = 300 * 1024
BODY_CONNECTIONS = 32
STREAM_EVENTS = 100
# A rate at which streams hardly ever meet: their first token and their events are what is timed.
PACED_RATE = 200
PACED_EVENTS = 5
PACED_EVERY_MS = 50
# The provider that speaks Anthropic's dialect, to a client that speaks OpenAI's.
CROSSED = ("--path", "/messages/v1/chat/completions")


@dataclass
class Scene:
    """One kind of traffic and who is measured under it."""

    name: str
    text: str
    targets: tuple
    options: list
    seconds: float = 2.0
    stream: bool = False
    latency: bool = False


ALL = ("forwarder", "nginx", "gateway", "forwarder2")

SCENES = [
    Scene("plain", "plain, 64 connections", ("direct", *ALL), ["--connections", 64]),
    Scene("plain512", "plain, 512 connections", ALL, ["--connections", 512]),
    Scene(
        "sse",
        f"SSE flat out, 32 connections, {STREAM_EVENTS} events",
        ("direct", *ALL),
        ["--connections", 32, "--model", f"bench-sse-{STREAM_EVENTS}", "--events", STREAM_EVENTS],
        stream=True,
    ),
    Scene(
        "paced",
        f"SSE, {PACED_RATE} streams/s begun, {PACED_EVENTS} events each, one every {PACED_EVERY_MS} ms",
        ("direct", *ALL),
        [
            *("--rate", PACED_RATE, "--connections", 64, "--stamps", "--ask-usage"),
            *("--model", f"bench-sse-{PACED_EVENTS}-every-{PACED_EVERY_MS}", "--events", PACED_EVENTS),
        ],
        seconds=3.0,
        stream=True,
        latency=True,
    ),
    # An OpenAI client and an Anthropic provider: both ways are converted. Nobody else here can do that.
    Scene("cross", "converted plain, 64 connections", ("gateway",), [*CROSSED, "--connections", 64]),
    Scene(
        "crosssse",
        f"converted SSE flat out, 32 connections, {STREAM_EVENTS} events",
        ("gateway",),
        [*CROSSED, "--connections", 32, "--model", f"bench-sse-{STREAM_EVENTS}", "--events", STREAM_EVENTS, "--opening"],
        stream=True,
    ),
    # The rate is put in once the first run has shown what saturation is.
    Scene("open", "open loop at a tenth of saturation", ("direct", *ALL), ["--connections", 64], latency=True),
    Scene("body", "300 KB bodies, 32 connections", ALL, ["--connections", BODY_CONNECTIONS, "--body-bytes", BODY_BYTES]),
]


class Stage:
    """The processes of a run, and the means to load them."""

    def __init__(self, mock: Mock, load_binary, realtime):
        self.mock, self.load_binary, self.realtime = mock, load_binary, realtime
        self.targets = {}
        # What the mock gave to the gateway, over all scenes: the truth for the reconciliation.
        self.given = dict.fromkeys(Mock.FIELDS, 0)

    def options(self, target, stream, options):
        port = target.stream_port if stream else target.port
        return ["--target", f"127.0.0.1:{port}", "--key", ADMIN_KEY, *options]

    def load(self, target, options, stream=False, realtime=False):
        return Load(self.load_binary, self.options(target, stream, options), realtime)

    def account(self, target, before, after):
        """Adds what the mock gave between two readings to the gateway's account."""
        given = {name: after[name] - before[name] for name in Mock.FIELDS}
        if target.name == "gateway":
            for name, count in given.items():
                self.given[name] += count
        return given

    def measure(self, scene, target, seconds):
        """One load run against one target."""
        realtime = scene.latency and self.realtime
        for child in (target.child, self.mock.child):
            child.realtime(realtime)
        before, cpu, begin = self.mock.stats(), target.child.cpu(), time.monotonic()
        result = self.load(target, [*scene.options, "--seconds", seconds], scene.stream, realtime).result()
        wall, cpu = time.monotonic() - begin, target.child.spent(cpu)
        for child in (target.child, self.mock.child):
            child.realtime(False)
        given = self.account(target, before, self.mock.settled())
        if result["failed"]:
            raise Fault(f"{scene.name} on {target.name}: {result['failed']} calls failed ({result['errors']}; {result['first_error']})")
        if given["answered"] != result["total"] or given["requests"] != given["answered"]:
            raise Fault(f"{scene.name} on {target.name}: the client saw {result['total']} answers, the mock gave {given['answered']} to {given['requests']} requests")
        result["cpu_us"] = cpu / 1000 / max(1, given["answered"])
        result["busy"] = cpu / 1e9 / wall
        result["rss_mb"] = target.child.memory_kb() / 1024
        return result


def warm(stage, target):
    """What a process needs to have done once before its memory says anything."""
    before = stage.mock.stats()
    result = stage.load(target, ["--connections", 64, "--seconds", 0.7]).result()
    stage.account(target, before, stage.mock.settled())
    if result["failed"]:
        raise Fault(f"warming up {target.name}: {result['first_error']}")


def body_memory(stage, target, seconds):
    """Peak memory that a 300 KB request costs while it is in flight, in KB."""
    warm(stage, target)
    target.child.forget_peak()
    base, before = target.child.memory_kb(), stage.mock.stats()
    options = ["--connections", BODY_CONNECTIONS, "--body-bytes", BODY_BYTES, "--seconds", seconds]
    result = stage.load(target, options).result()
    stage.account(target, before, stage.mock.settled())
    if result["failed"]:
        raise Fault(f"bodies on {target.name}: {result['first_error']}")
    return (target.child.memory_kb("VmHWM") - base) / BODY_CONNECTIONS


def stream_memory(stage, target, streams):
    """What an open stream that says nothing costs, in KB of resident memory."""
    warm(stage, target)
    base, before = target.child.memory_kb(), stage.mock.stats()
    # The client does not ask for the usage: the gateway does, and takes it out again.
    options = ["--connections", streams, "--requests", streams, "--model", "bench-slow", "--events", 1, "--hold"]
    load = stage.load(target, options, stream=True)
    if load.line().get("open") != streams:
        raise Fault(f"{target.name} does not hold {streams} streams")
    time.sleep(1)
    held, loaded = stage.mock.stats()["held"], target.child.memory_kb()
    stage.mock.release()
    result = load.result()
    stage.account(target, before, stage.mock.settled())
    if result["failed"] or held != streams:
        raise Fault(f"{target.name} held {held} of {streams} streams: {result['first_error']}")
    return (loaded - base) / streams

