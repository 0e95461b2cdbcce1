"""Python runs this at the start of every process: one started under watch is watched too."""

import os

if "TIDECAST_SOAK_FILES" in os.environ:
    import importlib.util
    import sys
    from pathlib import Path

    _spec = importlib.util.spec_from_file_location(
        "tidecast_soak_files", Path(__file__).parents[1] / "files.py"
    )
    _files = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = _files
    _spec.loader.exec_module(_files)
    _files.install_started()
