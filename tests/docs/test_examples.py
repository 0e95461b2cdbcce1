"""The examples in docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = (
    "tidecast",
    "tidecast_alerts",
    "tidecast_analytics",
    "tidecast_collector",
    "tidecast_reports",
)
MODULES = [
    found.name
    for package in PACKAGES
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    if not found.name.endswith("__main__") and ".migrations" not in found.name
]


@pytest.mark.parametrize("name", MODULES)
def test_they_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
