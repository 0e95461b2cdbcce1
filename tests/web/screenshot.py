"""Drives headless Chromium over its debugging pipe: screenshots and questions to a page.

`python -m tests.web.screenshot URL OUT.png [--width 390] [--dark] [--full]`
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import pwd
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
UNPRIVILEGED = "nobody"
ANSWER_SECONDS = 180


class Browser:
    """One Chromium with one page; as root it runs as an unprivileged user."""

    def __enter__(self) -> Browser:
        self._home = tempfile.mkdtemp(prefix="tidecast-chromium-")
        user = None
        if os.geteuid() == 0:
            user = UNPRIVILEGED
            account = pwd.getpwnam(user)
            os.chown(self._home, account.pw_uid, account.pw_gid)
        child_in, self._to = os.pipe()
        self._from, child_out = os.pipe()
        # Chromium reads its descriptor 3 and writes to 4.
        command = [
            "bash", "-c", f'exec "$@" 3<&{child_in} 4>&{child_out}', "bash",
            CHROMIUM, *FLAGS, f"--user-data-dir={self._home}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=(child_in, child_out), user=user, cwd=self._home,
            env={"PATH": os.environ["PATH"], "HOME": self._home},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(child_in)
        os.close(child_out)
        self._buffer, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._home, ignore_errors=True)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Chromium's answer to one command of its debugging protocol."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str, *, width: int, dark: bool = False, height: int = 900) -> None:
        """Loads the page at that width and waits until it is loaded and drawn."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if width < 500 else 1, mobile=width < 500)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        # The load of the page before, which may be told late, is not that of this one.
        loader = self.call("Page.navigate", url=url).get("loaderId")
        while loader and not any(_is_load(event, loader) for event in self.events):
            self.events.append(self._receive())

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Returns once the expression is true in the page."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.ask(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(expression)
            time.sleep(0.05)

    def problems(self) -> list[str]:
        """What the page logged as an error since it was opened, and what it threw."""
        self.ask("0")
        found = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"])[:500])
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found

    def picture(self, *, full: bool) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        time.sleep(0.3)  # lazily drawn charts
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=full,
                           **({"clip": self._page_clip()} if full else {}))  # fmt: skip
        return base64.b64decode(answer["data"])

    def _page_clip(self) -> dict[str, float]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], ANSWER_SECONDS)
            chunk = os.read(self._from, 1 << 20) if ready else b""
            if not chunk:
                raise RuntimeError("Chromium does not answer")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


def _is_load(event: dict[str, Any], loader: str) -> bool:
    told = event.get("params", {})
    return event["method"] == "Page.lifecycleEvent" and (
        (told["name"], told["loaderId"]) == ("load", loader)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not only what is seen")
    options = parser.parse_args()
    with Browser() as browser:
        browser.open(options.url, width=options.width, height=options.height, dark=options.dark)
        browser.wait_for("document.readyState === 'complete'")
        options.out.write_bytes(browser.picture(full=options.full))


if __name__ == "__main__":
    main()
