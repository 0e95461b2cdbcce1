"""The agent's log: one line each on standard error, as systemd's journal takes them."""

from __future__ import annotations

import sys


def log(message: str) -> None:
    """Writes the line; line breaks inside it are shown as such."""
    text = message.replace("\r", "\\r").replace("\n", "\\n")
    sys.stderr.write(f"tidecast-agent: {text}\n")
    sys.stderr.flush()


class ChangeLog:
    """Logs a state when it changes, so that what stays broken is said once and not every cycle."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def note(self, subject: str, trouble: str) -> None:
        """Logs `trouble` ("" is none) unless it is what the subject's state was already."""
        before = self._states.get(subject, "")
        if trouble == before:
            return
        self._states[subject] = trouble
        log(f"{subject}: {trouble}" if trouble else f"{subject}: well again")
