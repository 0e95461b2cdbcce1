"""The root of every error that Tidecast raises on purpose.

TidecastError
├── InvalidInput          the caller's data or file is wrong; the message says where
│   └── (each room's own: ParseError, InvalidRule, ...)
└── (each room's own operational errors)
"""

from __future__ import annotations


class TidecastError(Exception):
    """Something Tidecast knows how to explain: what, where, and what to do next."""


class InvalidInput(TidecastError):
    """Input that is refused as a whole; nothing was changed by it."""
