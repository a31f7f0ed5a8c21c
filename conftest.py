"""Plugins of this repository's own tests."""

from __future__ import annotations

import pytest

# "pytester" runs pytest within a test.
pytest_plugins = ["pytester"]


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the library's plugin, unless pytest has found it by itself.

    Its entry point is left alone (see addopts in pyproject.toml): found by itself, it would import the library before
    coverage looks. Under another configuration it is found, and one plugin cannot have two names.
    """
    if not pluginmanager.has_plugin("orderbook"):
        pluginmanager.import_plugin("orderbook.testing.plugin")
