"""Fixtures: the mocks, the gateway over them, and the targets that a test runs against.

A test that takes `target` runs against each. `@pytest.mark.sdk("openai")` says whose SDK it uses (`"chat"`: OpenAI's, on Chat alone), so that `--direct` (the SDK against
the mock itself, no gateway) keeps only the target that speaks it. `@pytest.mark.needs("images")` leaves out targets that lack it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gateway as under_test
import mock
import pytest
from targets import CHANNELS, CHAT_ONLY, CLIENT_KEY, NATIVE, Target, make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--direct", action="store_true", help="run the SDKs against the mocks themselves, without the gateway")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sdk(name): whose SDK or dialect the test speaks")
    config.addinivalue_line("markers", "needs(what): leaves out targets that do not offer it")
    config.addinivalue_line("markers", "asks(scenario, …): what the Vercel package is to run for the test")
    config.addinivalue_line("markers", "speaks(provider, …): only these providers of the Vercel package")
    config.addinivalue_line("markers", "gateway: makes sense through the gateway only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    spoken = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("sdk")]
    needs = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("needs")]
    names = names_for(metafunc.config, spoken[0] if spoken else "chat")
    metafunc.parametrize("target", [name for name in names if all(make(name, "", "").can(what) for what in needs)], indirect=True)


def names_for(config: pytest.Config, spoken: str) -> list[str]:
    """The targets of what is spoken: all that differ for it, or with `--direct` the one that speaks it."""
    if config.getoption("--direct"):
        return [NATIVE[spoken]]
    return [name for name in CHANNELS if spoken == "chat" or name not in CHAT_ONLY]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
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
