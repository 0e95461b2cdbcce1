"""Rows as people (table), programs (json) and spreadsheets (csv) want them."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

_NUMBER = re.compile(r"[+-](?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)", re.ASCII)

F = TypeVar("F", bound=Callable[..., Any])

format_option: Callable[[F], F] = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print.",
)


def print_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], kind: str) -> None:
    """Prints these columns of the rows; JSON prints the rows whole."""
    if kind == "json":
        click.echo(json.dumps(list(rows), indent=2))
    elif kind == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_safe(row.get(name)) for name in columns] for row in rows)
    else:
        click.echo(table([[cell(row.get(name)) for name in columns] for row in rows], columns))


def table(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    """The rows under their headings, in columns as wide as they need."""
    heads = [name.replace("_", " ").upper() for name in columns]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = (
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in (heads, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def cell(value: object) -> str:
    """The value as a table shows it: what is absent as a dash, nothing that steers a terminal."""
    return "-" if value in (None, "") else printable(str(value))


def printable(text: str) -> str:
    """The text on one line, with escapes for what is not printable."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted first; no row is broken in two."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "\\r")  # the writer quotes only its own line end
    if value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(value):
        return "'" + text
    return text
