"""Takes the documentation's images of the demo's pages: `make screenshots`.

It waits for the demo's own incident, so it takes about two minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.scenario.driver import environment, free_port
from tests.web.screenshot import Browser

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
WIDTHS = (1280, 390)
WAIT_SECONDS = 240


def main() -> None:
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "tidecast", "demo", f"--port={port}", f"--data-dir={data}"]
        demo = subprocess.Popen(command, env=environment())
        try:
            wait_for(f"{server}/api/tidecast/v1/capacity", "in_horizon")
            incidents = wait_for(f"{server}/api/tidecast/v1/incidents", "INC-")
            number = incidents["incidents"][0]["id"]
            IMAGES.mkdir(exist_ok=True)
            pages = {"first": "/", "host": "/hosts/web-3", "incident": f"/incidents/{number}"}
            with Browser() as browser:
                for name, path in pages.items():
                    for width in WIDTHS:
                        image = IMAGES / f"{name}-{width}.png"
                        browser.open(server + path, width=width)
                        image.write_bytes(browser.picture(full=False))
                        print(os.path.relpath(image))
        finally:
            demo.terminate()
            demo.wait(60)


def wait_for(url: str, text: str) -> Any:
    """The JSON there, once it holds the text."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                body = answer.read().decode()
        except OSError:
            body = ""
        if text in body:
            return json.loads(body)
        time.sleep(1)
    raise SystemExit(f"{url} did not tell of {text} within {WAIT_SECONDS} s")


if __name__ == "__main__":
    main()
