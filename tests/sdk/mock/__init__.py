"""Strict mocks of OpenAI, Anthropic and Google AI Studio: they answer as the real ones do, and refuse what the real ones refuse.

`start` gives the three, each on its own loopback port. `python -m mock` runs them from the command line.
"""

from __future__ import annotations

from dataclasses import dataclass

from .anthropic import Anthropic
from .gemini import Gemini
from .openai import OpenAi
from .server import Mock

__all__ = ["KEYS", "Mock", "Mocks", "start"]

KEYS = {
    "openai": "sk-upstream-openai-canary-1f0c",
    "anthropic": "sk-ant-upstream-canary-2b7d",
    "gemini": "AIza-upstream-gemini-canary-3c9e",
}
"""The providers' own keys. They must never reach a client."""


@dataclass(frozen=True)
class Mocks:
    """The three running providers."""

    openai: Mock
    anthropic: Mock
    gemini: Mock

    def all(self) -> tuple[Mock, Mock, Mock]:
        """Each of them."""
        return self.openai, self.anthropic, self.gemini

    def close(self) -> None:
        """Stops all."""
        for mock in self.all():
            mock.close()


def start(seed: int | None = None) -> Mocks:
    """Starts the three; with a seed their streams are cut at random bytes."""
    return Mocks(
        Mock(OpenAi(KEYS["openai"]), seed=seed),
        Mock(Anthropic(KEYS["anthropic"]), seed=seed),
        Mock(Gemini(KEYS["gemini"]), seed=seed),
    )
