"""Plugins of this repository's own tests."""

from __future__ import annotations

# Named here, and its entry point left alone (see addopts in pyproject.toml): found by itself, the library's plugin
# would import the library before coverage looks. "pytester" runs pytest within a test.
pytest_plugins = ["orderbook.testing.plugin", "pytester"]
