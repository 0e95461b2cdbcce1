"""The time of day, as the application passes it to its rooms."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def today(self) -> date:
        """The day it is in UTC."""
        return datetime.now(UTC).date()
