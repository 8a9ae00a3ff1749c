"""Fixtures: the mocks, the gateway over them, and the targets that a test runs against.

A test that takes `target` runs against each. `@pytest.mark.sdk("openai")` says whose SDK it uses, so that `--direct` (the SDK against
the mock itself, no gateway) keeps only the target that speaks it. `@pytest.mark.needs("images")` leaves out targets that lack it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gateway as under_test
import mock
import pytest
from targets import CHANNELS, CLIENT_KEY, Target, make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--direct", action="store_true", help="run the SDKs against the mocks themselves, without the gateway")
    parser.addoption("--native", action="store_true", help="through the gateway, but each SDK against demo and its own provider only: no conversion")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sdk(name): whose SDK or dialect the test speaks")
    config.addinivalue_line("markers", "needs(what): leaves out targets that do not offer it")
    config.addinivalue_line("markers", "gateway: makes sense through the gateway only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    direct, alone = metafunc.config.getoption("--direct"), metafunc.config.getoption("--native")
    spoken = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("sdk")]
    needs = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("needs")]
    own = {*spoken, *([] if direct else ["demo"])}
    names = [name for name in CHANNELS if not (direct or alone) or not spoken or name in own]
    metafunc.parametrize("target", [name for name in names if all(make(name, "", "").can(what) for what in needs)], indirect=True)


def crosses(item: pytest.Item) -> bool:
    """Whether a test needs one dialect converted to another: a path of one family asked of another's provider, or a history that moves."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "here" in params:
        return True
    target, path = params.get("target"), params.get("path", "")
    if target in (None, "demo"):
        return False
    if item.name.startswith("test_the_prefix_is_stable"):
        return params["dialect"] != "chat" and target != {"claude": "anthropic", "responses": "openai"}[params["dialect"]]
    if not path:
        return False
    family = "anthropic" if path.startswith("/v1/messages") else "gemini" if "/models/" in path else "openai"
    compatible = path == "/v1/chat/completions"
    return not compatible and family != target


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--native"):
        gone = [item for item in items if crosses(item)]
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]
    if config.getoption("--direct"):
        gone = [item for item in items if item.get_closest_marker("gateway")]
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]


@pytest.fixture(scope="session")
def upstreams() -> Iterator[mock.Mocks]:
    """The strict mocks that the gateway, or with `--direct` an SDK, talks to."""
    running = mock.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def gateway(upstreams: mock.Mocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[under_test.Gateway]:
    """The gateway, over the mocks."""
    if not under_test.binary().exists():
        pytest.fail(f"no gateway at {under_test.binary()}: build it, or set GPROXY_BIN, or run with --direct", pytrace=False)
    folder: Path = tmp_path_factory.mktemp("gateway")
    running = under_test.Gateway(folder, upstreams)
    yield running
    running.close()


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """One target: through the gateway by prefixed model ids, or the mock itself."""
    name: str = request.param
    if request.config.getoption("--direct"):
        running = getattr(request.getfixturevalue("upstreams"), name)
        return make(name, running.url, mock.KEYS[name])
    base = request.getfixturevalue("gateway").base
    return make(name, base, CLIENT_KEY, prefix=f"{CHANNELS[name]}/")
