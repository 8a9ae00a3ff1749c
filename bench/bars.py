"""The bars, and how figures are held against them and shown."""

from dataclasses import dataclass
from statistics import median
from typing import Callable, Optional

from scenes import BODY_BYTES


@dataclass
class Verdict:
    """One bar and what came of it."""

    text: str
    limit: str
    value: Optional[float]
    shown: str
    spread: str
    outcome: str  # "holds", "holds within the spread", "fails", "not measured"


class Figures:
    """Everything that was measured: figure by scene, target and run."""

    def __init__(self, realtime):
        self.runs = {}
        self.memory = {}
        self.admission = None
        self.realtime = realtime

    def add(self, scene, target, result):
        self.runs.setdefault((scene, target), []).append(result)

    def series(self, scene, target, path):
        """A figure of each run; `path` is like `latency_us.p50`."""
        values = []
        for result in self.runs.get((scene, target), []):
            for key in path.split("."):
                result = None if result is None else result.get(key)
            values.append(result)
        return [] if None in values else values

    def middle(self, scene, target, path):
        values = self.series(scene, target, path)
        return median(values) if values else None

    def yardstick(self, scene, path):
        """The forwarder's figure of each run, the mean of its two turns."""
        pairs = zip(self.series(scene, "forwarder", path), self.series(scene, "forwarder2", path))
        return [(first + second) / 2 for first, second in pairs]

    def against(self, scene, path, combine, other=None, over=None):
        """The median over the runs of the gateway's figure against the yardstick's of the same run."""
        yard = self.series(over or scene, other, path) if other else self.yardstick(over or scene, path)
        pairs = list(zip(self.series(scene, "gateway", path), yard))
        return median(combine(ours, theirs) for ours, theirs in pairs) if pairs else None

    def against_nginx(self):
        """The forwarder's share of nginx on plain traffic; None where nginx was not there."""
        pairs = list(zip(self.yardstick("plain", "rate"), self.series("plain", "nginx", "rate")))
        return median(ours / theirs for ours, theirs in pairs) if pairs else None

    def spread(self, scene, path, combine):
        """The forwarder against itself: the median over the runs, and the noise of a single run around it."""
        pairs = zip(self.series(scene, "forwarder2", path), self.series(scene, "forwarder", path))
        values = [combine(again, first) for again, first in pairs]
        if not values:
            return None, None
        center = median(values)
        return center, median(abs(value - center) for value in values)


def ratio(ours, theirs):
    return ours / theirs if theirs else float("inf")


def difference(ours, theirs):
    return ours - theirs


@dataclass
class Bar:
    """A figure of the gateway against the yardstick's of the same run."""

    text: str
    scene: str
    path: str
    combine: Callable
    limit: float
    least: bool = False
    other: Optional[str] = None
    tail: bool = False
    # The scene of the yardstick's figures, where it is another one than ours.
    over: Optional[str] = None

    def judge(self, figures):
        unit, digits = ("us", 0) if self.combine is difference else ("x", 2)
        limit = f"{'>=' if self.least else '<='} {self.limit:g} {unit}"
        value = figures.against(self.scene, self.path, self.combine, self.other, self.over)
        if value is None or (self.tail and not figures.realtime):
            return Verdict(self.text, limit, value, "-", "-", "not measured")
        center, noise = figures.spread(self.over or self.scene, self.path, self.combine)
        slack = abs(center - 1) * self.limit if self.combine is ratio else abs(center)
        outcome = verdict(value, self.limit, slack, least=self.least)
        return Verdict(self.text, limit, value, f"{value:.{digits}f} {unit}", f"{center:.{digits}f} ±{noise:.{digits}f} {unit}", outcome)


def verdict(value, limit, slack, *, least):
    """Within the spread of the yardstick against itself a bar cannot be told apart from its limit."""
    over = limit - value if least else value - limit
    if over <= 0:
        return "holds"
    return "holds within the spread" if over <= slack else "fails"


BARS = [
    Bar("plain, 64 connections: requests/s of the forwarder's", "plain", "rate", ratio, 0.75, least=True),
    Bar("plain, 64 connections: CPU per request of the forwarder's", "plain", "cpu_us", ratio, 1.35),
    Bar("plain, 512 connections: p99 of the forwarder's", "plain512", "latency_us.p99", ratio, 3.0),
    Bar("SSE flat out: events/s of the forwarder's", "sse", "event_rate", ratio, 4.0, least=True),
    Bar("SSE flat out: events/s of nginx's", "sse", "event_rate", ratio, 0.4, least=True, other="nginx"),
    Bar("first token above the forwarder's, p50", "paced", "first_us.p50", difference, 60),
    Bar("first token above the forwarder's, p99", "paced", "first_us.p99", difference, 300, tail=True),
    Bar("later events above the forwarder's, p50", "paced", "later_us.p50", difference, 30),
    Bar("open loop above the forwarder's, p50", "open", "latency_us.p50", difference, 60),
    Bar("open loop above the forwarder's, p99", "open", "latency_us.p99", difference, 300, tail=True),
    Bar("300 KB bodies: requests/s of the forwarder's", "body", "rate", ratio, 0.7, least=True),
    Bar("converted plain: requests/s of the forwarder's plain", "cross", "rate", ratio, 0.35, least=True, over="plain"),
    Bar("converted plain: CPU per request of the gateway's own plain", "cross", "cpu_us", ratio, 2.0, other="gateway", over="plain"),
    Bar("converted SSE: events/s of the forwarder's SSE", "crosssse", "event_rate", ratio, 2.0, least=True, over="sse"),
    # Equal numbers of content events in both, so that CPU per answer compares as CPU per event does.
    Bar("converted SSE: CPU per event of the gateway's own SSE", "crosssse", "cpu_us", ratio, 3.0, other="gateway", over="sse"),
]

# Name of the figure, text, limit, unit.
ABSOLUTE = [
    ("body_peak", "300 KB bodies: peak memory per request in flight", 2 * BODY_BYTES / 1024, "KB"),
    ("stream", "1,000 slow open streams: memory each", 45, "KB"),
    ("idle", "idle memory", 35 * 1024, "KB"),
    ("ready", "ready on an existing database", 150, "ms"),
]


def judge(figures):
    """Holds every figure against its bar."""
    verdicts = [bar.judge(figures) for bar in BARS]
    for name, text, limit, unit in ABSOLUTE:
        value = figures.memory.get("gateway", {}).get(name)
        shown, outcome = ("-", "not measured") if value is None else (f"{value:,.0f} {unit}", verdict(value, limit, 0, least=False))
        verdicts.append(Verdict(text, f"<= {limit:,.0f} {unit}", value, shown, "-", outcome))
    return verdicts + admitted(figures.admission)


def admitted(found):
    """The bar of `bench-parts admission`; the spread is that of its repetitions."""
    verdicts = []
    for row in (found or {}).get("rows", []):
        text = f"admission, four scopes, ten limits, three quotas, {row['who']}: CPU of a call"
        value, spread = row["admit"]["median_us"], f"{row['admit']['min_us']:.2f} to {row['admit']['max_us']:.2f} us"
        outcome = verdict(value, found["bar_us"], 0, least=False)
        verdicts.append(Verdict(text, f"<= {found['bar_us']:g} us", value, f"{value:.2f} us", spread, outcome))
    return verdicts


# Heading, scene, path, digits.
COLUMNS = [
    ("plain: req/s", "plain", "rate", 0),
    ("CPU/req, us", "plain", "cpu_us", 1),
    ("core busy", "plain", "busy", 2),
    ("512 conn: req/s", "plain512", "rate", 0),
    ("p99, ms", "plain512", "latency_us.p99", 1),
    ("SSE: events/s", "sse", "event_rate", 0),
    ("first token p50, us", "paced", "first_us.p50", 0),
    ("p99", "paced", "first_us.p99", 0),
    ("later event p50, us", "paced", "later_us.p50", 0),
    ("p99", "paced", "later_us.p99", 0),
    ("open loop p50, us", "open", "latency_us.p50", 0),
    ("p99", "open", "latency_us.p99", 0),
    ("300 KB: req/s", "body", "rate", 0),
    ("converted: req/s", "cross", "rate", 0),
    ("CPU/req, us", "cross", "cpu_us", 1),
    ("converted SSE: events/s", "crosssse", "event_rate", 0),
]
MEMORY = [("idle, MB", "idle", 1 / 1024, 1), ("per slow stream, KB", "stream", 1, 0), ("peak per 300 KB request, KB", "body_peak", 1, 0), ("ready, ms", "ready", 1, 0)]
TARGETS = ["direct", "forwarder", "forwarder2", "nginx", "gateway"]


def figures_table(figures):
    """Medians of every target, as Markdown."""
    heads = ["", *(head for head, *_ in COLUMNS), *(head for head, *_ in MEMORY)]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for target in TARGETS:
        if not any(known == target for _, known in figures.runs):
            continue
        cells = []
        for _, scene, path, digits in COLUMNS:
            value = figures.middle(scene, target, path)
            # A tail without real-time priority is the machine's, not ours. The one at 512 connections is of a full core, where priority changes nothing.
            hidden = path.endswith("p99") and scene in ("paced", "open") and not figures.realtime
            # "direct" has no core of its own.
            hidden = hidden or (target == "direct" and path in ("cpu_us", "busy"))
            scale = 1000 if path.endswith("p99") and scene == "plain512" else 1
            cells.append("-" if value is None or hidden else f"{value / scale:,.{digits}f}")
        for _, name, scale, digits in MEMORY:
            value = figures.memory.get(target, {}).get(name)
            cells.append("-" if value is None else f"{value * scale:,.{digits}f}")
        name = "forwarder again" if target == "forwarder2" else target
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bars_table(verdicts):
    """The bars, as Markdown."""
    lines = ["| bar | limit | measured | forwarder against itself | |", "|---|--:|--:|--:|---|"]
    lines += [f"| {v.text} | {v.limit} | {v.shown} | {v.spread} | {v.outcome} |" for v in verdicts]
    return "\n".join(lines)
