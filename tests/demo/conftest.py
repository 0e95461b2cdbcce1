"""The fake server of tests/imports, for the demo too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).parents[1] / "imports" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("tidecast_fake_server", _PATH)
assert _SPEC
assert _SPEC.loader
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _MODULE
_SPEC.loader.exec_module(_MODULE)

server = _MODULE.server
