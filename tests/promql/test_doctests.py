"""The examples in the room's docstrings hold."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import iter_modules

import pytest

from tidecast import promql

MODULES = [module.name for module in iter_modules(promql.__path__, "tidecast.promql.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
