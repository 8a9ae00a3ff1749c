#!/usr/bin/env python3
"""What the gateway costs, beside yardsticks of the same run; see README.md here.

    run.py                 seven interleaved runs, about ten minutes
    run.py --quick         two short runs, for a look
    run.py --kill          kill -9 under load instead, and the books afterwards
    run.py --no-gateway    the yardsticks alone

Ends with 0 where every bar holds and the books agree, 1 where a bar fails,
2 where the run is void or the books disagree.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from statistics import median

import bars
import kill
import ledger
from procs import GATEWAY_CORE, Fault, Mock, raise_open_files, realtime_permitted, stop_all
from scenes import SCENES, Stage, body_memory, stream_memory, warm
from targets import Direct, Forwarder, Gateway, Nginx

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = ("bench-mock", "bench-load", "bench-forwarder", "bench-parts")
STARTS = 7
STREAMS = 1000
# The yardstick must be good: at least this share of nginx on plain traffic.
YARDSTICK = 0.8


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="interleaved runs (7; 2 with --quick)")
    parser.add_argument("--quick", action="store_true", help="short runs, for a look")
    parser.add_argument("--budget", type=float, default=720, help="seconds after which no further run begins (720)")
    parser.add_argument("--scenes", help="only these, by name, with commas: " + ",".join(scene.name for scene in SCENES))
    parser.add_argument("--profile", default="dist", help="cargo profile (dist)")
    parser.add_argument("--no-build", action="store_true", help="take the binaries as they are")
    parser.add_argument("--no-gateway", action="store_true", help="only the yardsticks")
    parser.add_argument("--gateway", help="another gateway binary")
    parser.add_argument("--kill", nargs="?", const=5, type=int, metavar="N", help="kill -9 under load N times (5)")
    parser.add_argument("--json", metavar="PATH", help="write everything that was measured here")
    parser.add_argument("--markdown", metavar="PATH", help="write the tables here")
    parser.add_argument("--keep", action="store_true", help="keep the working directory")
    chosen = parser.parse_args()
    chosen.runs = chosen.runs or (2 if chosen.quick else 7)
    return chosen


def say(text):
    print(text, flush=True)


def build(chosen):
    """Builds what is needed; gives the directory of the binaries."""
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    directory = json.loads(metadata.stdout)["target_directory"]
    directory = os.path.join(directory, "debug" if chosen.profile == "dev" else chosen.profile)
    if not chosen.no_build:
        names = TOOLS if chosen.no_gateway or chosen.gateway else (*TOOLS, "gproxy")
        say(f"building {', '.join(names)} ({chosen.profile})")
        binaries = [part for name in names for part in ("--bin", name)]
        if subprocess.run(["cargo", "build", "--profile", chosen.profile, "--features", "bench", *binaries], cwd=ROOT).returncode:
            raise Fault("the build failed")
    return directory


def set_stage(chosen, directory, work):
    """Starts the mock and every target."""
    mock = Mock(os.path.join(directory, "bench-mock"), os.path.join(work, "mock.log"))
    stage = Stage(mock, os.path.join(directory, "bench-load"), realtime_permitted())
    makers = {"direct": lambda: Direct(mock), "forwarder": lambda: Forwarder(os.path.join(directory, "bench-forwarder"), mock, work)}
    if Nginx.binary():
        makers["nginx"] = lambda: Nginx(mock, work)
    if not chosen.no_gateway:
        makers["gateway"] = lambda: Gateway(chosen.gateway or os.path.join(directory, "gproxy"), mock, work)
    stage.makers = makers
    wanted = ("gateway",) if chosen.kill else makers
    stage.targets = {name: makers[name]() for name in wanted}
    return stage


def plan(chosen):
    names = chosen.scenes.split(",") if chosen.scenes else [scene.name for scene in SCENES]
    unknown = set(names) - {scene.name for scene in SCENES}
    if unknown:
        raise Fault(f"no such scene: {', '.join(unknown)}")
    if "open" in names and "plain" not in names:
        raise Fault("the scene open needs plain, which shows what saturation is")
    return [scene for scene in SCENES if scene.name in names]


def one_run(chosen, stage, figures, scenes, rate):
    """Every scene on every target once; gives the open loop's rate."""
    for scene in scenes:
        options = list(scene.options)
        if scene.name == "open":
            scene.options = [*scene.options, "--rate", rate]
        seconds = scene.seconds * (0.4 if chosen.quick else 1)
        cells = []
        for name in scene.targets:
            target = stage.targets.get("forwarder" if name == "forwarder2" else name)
            if target is None:
                continue
            result = stage.measure(scene, target, seconds)
            figures.add(scene.name, name, result)
            cells.append(f"{name} {brief(scene, result)}")
        scene.options = options
        if "gateway" in stage.targets:
            stage.targets["gateway"].trim_log()
        say(f"  {scene.name:9} " + "; ".join(cells))
        if scene.name == "plain" and rate is None:
            saturated = "gateway" if "gateway" in stage.targets else "forwarder"
            rate = max(100, round(figures.middle("plain", saturated, "rate") / 1000) * 100)
    return rate


def brief(scene, result):
    if scene.name == "paced":
        return f"first {result['first_us']['p50']:.0f}/{result['first_us']['p99']:.0f} later {result['later_us']['p50']:.0f} us"
    if scene.latency:
        return f"{result['latency_us']['p50']:.0f}/{result['latency_us']['p99']:.0f} us"
    if scene.stream:
        return f"{result['event_rate'] / 1000:.0f}k ev/s"
    return f"{result['rate'] / 1000:.1f}k/s {result['cpu_us']:.1f}us"


def run_all(chosen, stage, figures):
    """The interleaved runs; gives how many there were and the open loop's rate."""
    scenes, rate = plan(chosen), None
    begin, done = time.monotonic(), 0
    for name in ("forwarder", "nginx", "gateway"):
        if name in stage.targets:
            warm(stage, stage.targets[name])
    for number in range(1, chosen.runs + 1):
        each = (time.monotonic() - begin) / done if done else 0
        if time.monotonic() - begin + each > chosen.budget - 60 and done:
            say(f"the budget of {chosen.budget:.0f} s is spent")
            break
        say(f"run {number} of {chosen.runs} at {time.monotonic() - begin:.0f} s, machine's load {os.getloadavg()[0]:.1f}")
        rate = one_run(chosen, stage, figures, scenes, rate)
        done = number
    return done, rate


def memories(chosen, stage, figures):
    """Memory and start-up, each on a process just started; the gateway's on the database of all the runs."""
    for name in ("forwarder", "nginx", "gateway"):
        if name not in stage.targets:
            continue
        say(f"memory of {name}")
        figures.memory[name] = found = {}
        if name == "gateway":
            found.update(starts(chosen, stage.targets[name]))
        else:
            restart(stage, name)
            time.sleep(1)
            found["idle"] = stage.targets[name].child.memory_kb()
        found["body_peak"] = body_memory(stage, stage.targets[name], 1 if chosen.quick else 3)
        restart(stage, name)
        found["stream"] = stream_memory(stage, stage.targets[name], STREAMS)


def restart(stage, name):
    target = stage.targets[name]
    target.stop()
    if name == "gateway":
        target.start()
    else:
        stage.targets[name] = stage.makers[name]()


def starts(chosen, gateway):
    ready = []
    for _ in range(3 if chosen.quick else STARTS):
        gateway.stop()
        ready.append(gateway.start())
    time.sleep(1)
    return {"ready": median(ready), "idle": gateway.child.memory_kb()}


def conversions(directory):
    """A table of what one core converts, of every pair of dialects."""
    say("conversions of every pair")
    argv = ["taskset", "-c", str(GATEWAY_CORE), os.path.join(directory, "bench-parts"), "pairs"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Fault(f"bench-parts pairs: {done.stdout.strip()}")
    return done.stdout.strip()


def admission(directory):
    """What admission costs, as JSON; a bar that fails is told by its figures. Its threads need all cores."""
    say("admission")
    done = subprocess.run([os.path.join(directory, "bench-parts"), "admission", "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise Fault(f"bench-parts admission: {done.stdout.strip()}")
    return json.loads(done.stdout)


def why_void(figures, stage):
    """What makes the run worthless, or None."""
    share = figures.against_nginx() if "nginx" in stage.targets else None
    if share is None:
        return "no nginx here, so nobody knows whether the forwarder is a good yardstick"
    if share < YARDSTICK:
        return f"the forwarder reaches {share:.0%} of nginx on plain traffic, less than {YARDSTICK:.0%}"
    return None


def report(chosen, stage, figures, runs, rate, pairs):
    """Prints the tables, reconciles the books, writes the files; gives the exit status."""
    void = why_void(figures, stage)
    verdicts = bars.judge(figures) if "gateway" in stage.targets else []
    share = figures.against_nginx()
    lines = [f"Medians of {runs} interleaved runs, {machine()}; open loop at {rate} requests/s; latencies {'under SCHED_RR' if stage.realtime else 'without real-time priority'}.", ""]
    lines += [bars.figures_table(figures), ""]
    lines += [f"Forwarder on plain traffic: {share:.0%} of nginx." if share else "No nginx to hold the forwarder against.", ""]
    if verdicts:
        lines += [bars.bars_table(verdicts), ""]
    books = []
    if "gateway" in stage.targets:
        books = ledger.reconcile(stage.targets["gateway"].database(), stage.given)
        lines += ["| books | database | mock | |", "|---|--:|--:|---|"]
        lines += [f"| {name} | {left:,} | {right:,} | {'equal' if equal else 'DIFFERENT'} |" for name, left, right, equal in books]
    if pairs:
        lines += ["", "What one core converts, without any network:", "", pairs]
    markdown = "\n".join(lines)
    say("\n" + markdown + "\n")
    if runs < 7:
        say(f"only {runs} runs: a look, not a measurement")
    if void:
        say(f"VOID: {void}")
    write(chosen.markdown, markdown + "\n")
    write(chosen.json, json.dumps(record(chosen, stage, figures, runs, rate, verdicts, books, void), indent=1) + "\n")
    if void or not all(equal for *_, equal in books):
        return 2
    return 1 if any(verdict.outcome == "fails" for verdict in verdicts) else 0


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release().split('-')[0]}"


def record(chosen, stage, figures, runs, rate, verdicts, books, void):
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "profile": chosen.profile,
        "quick": chosen.quick,
        "runs": runs,
        "open_rate": rate,
        "realtime": stage.realtime,
        "void": void,
        "bars": [vars(verdict) for verdict in verdicts],
        "books": [{"name": name, "database": left, "mock": right, "equal": equal} for name, left, right, equal in books],
        "memory": figures.memory,
        "admission": figures.admission,
        "measured": [{"scene": scene, "target": target, "runs": results} for (scene, target), results in figures.runs.items()],
    }


def write(path, text):
    if path:
        with open(path, "w") as file:
            file.write(text)


def bench(chosen, stage, directory):
    figures = bars.Figures(stage.realtime)
    runs, rate = run_all(chosen, stage, figures)
    pairs = None
    if not chosen.scenes:
        memories(chosen, stage, figures)
        pairs = conversions(directory)
        figures.admission = admission(directory)
    return report(chosen, stage, figures, runs, rate, pairs)


def kill_rounds(chosen, stage):
    checks = kill.rounds(stage, stage.targets["gateway"], chosen.kill, say)
    for number, text, holds in checks:
        say(f"{'holds' if holds else 'FAILS'}  kill {number}: {text}")
    write(chosen.json, json.dumps([{"kill": number, "text": text, "holds": holds} for number, text, holds in checks], indent=1) + "\n")
    return 0 if all(holds for *_, holds in checks) else 2


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    chosen = options()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupted)
    if (os.cpu_count() or 1) < 2:
        raise Fault("two cores are needed: one for what is measured, one for what measures")
    directory = build(chosen)
    raise_open_files()
    work = tempfile.mkdtemp(prefix="gproxy-bench-")
    try:
        stage = set_stage(chosen, directory, work)
        return kill_rounds(chosen, stage) if chosen.kill else bench(chosen, stage, directory)
    finally:
        stop_all()
        if chosen.keep:
            say(f"kept {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Fault as fault:
        print(f"VOID: {fault}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
