"""The log of our processes: one line for each event on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged (a level and what is worse), and whether as lines of text or of JSON."""

    level: str = "info"
    format: str = "text"


def start_log(settings: LogSettings) -> None:
    """Sends this process's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    logging.basicConfig(level=settings.level.upper(), handlers=[handler])
    # When it starts and ends is said in our words; uvicorn calls all of its log "error".
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def log_settings() -> LogSettings | None:
    """How this process logs, for those that it spawns; None where no log was started."""
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler.formatter, JsonLines | TextLines):
            kind = "json" if isinstance(handler.formatter, JsonLines) else "text"
            return LogSettings(logging.getLevelName(root.level).lower(), kind)
    return None


class TextLines(logging.Formatter):
    """`2026-11-22T20:30:33.530Z INFO tidecast.server: message`; then a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; line breaks within the message are shown as such, so that none is forged."""
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_time(record)} {record.levelname} {record.name}: {message}"
        trouble = _traceback(self, record)
        return f"{line}\n{trouble}" if trouble else line


class JsonLines(logging.Formatter):
    """An object with `time`, `level`, `logger`, `message` and, after an error, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, on one line."""
        told = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        trouble = _traceback(self, record)
        return json.dumps({**told, "exception": trouble} if trouble else told)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
