"""Small facts the server keeps about itself, such as the disk ceiling chosen at first start."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import JsonValue, json_text
from tidecast.records.transaction import Transaction


class Settings:
    """JSON values by key."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self, key: str) -> JsonValue:
        """The value of this key; None where there is none."""
        table = tables.settings
        rows = self._transaction.rows(sa.select(table.c.value).where(table.c.key == key))
        value: JsonValue = json.loads(rows[0]["value"]) if rows else None
        return value

    def put(self, key: str, value: JsonValue) -> None:
        """Sets the key's value; None forgets it."""
        if value is None:
            self._transaction.change(sa.delete(tables.settings).where(tables.settings.c.key == key))
        else:
            self._transaction.put(tables.settings, {"key": key, "value": json_text(value)})
