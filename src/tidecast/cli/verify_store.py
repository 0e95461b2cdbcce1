"""`tidecast verify-store`: whether a data directory's samples are as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidecast.cli.client import explain_errors
from tidecast.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from tidecast.samples.verify import Damage
    from tidecast_collector.labels import Labels

COLUMNS = ("store", "file", "what", "series", "from", "until")
STORES = ("raw", "own")


@click.command(name="verify-store")
@click.argument("data_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@format_option
@click.pass_context
@explain_errors
def verify_store(ctx: click.Context, data_dir: Path, output_format: str) -> None:
    """Read every byte of the samples in DATA_DIR and say what is damaged and what is missing.

    Nothing is changed and no server is needed. Ends with 0 where all is whole, with 1 where
    something is damaged. Which series are missing is said as far as that can still be known.

    \b
    Examples:
      tidecast verify-store /srv/tidecast
      tidecast verify-store /srv/tidecast --format json
    """
    from tidecast.samples.verify import verify

    directories = {name: data_dir / "samples" / name for name in STORES}
    there = {name: path for name, path in directories.items() if path.is_dir()}
    if not there:
        raise click.BadParameter(f"{data_dir} holds no samples of a Tidecast server")
    files, rows = 0, []
    for name, path in there.items():
        report = verify(path)
        files += report.files
        rows += [row for damage in report.damage for row in _rows(name, path, damage)]
    if rows or output_format != "table":
        print_rows(rows, COLUMNS, output_format)
    if rows:
        ctx.exit(1)
    if output_format == "table":
        click.echo(f"whole: {files} files were read, nothing is damaged or missing")


def _rows(store: str, directory: Path, damage: Damage) -> Iterator[dict[str, object]]:
    about = {
        "store": store,
        "file": str(damage.path.relative_to(directory)),
        "what": damage.what.removeprefix(f"{damage.path}: "),
        "from": _date(damage.start_ms),
        "until": _date(damage.end_ms),
    }
    for labels in damage.series or [None]:
        yield {**about, "series": _text(labels) if labels else "unknown"}


def _text(labels: Labels) -> str:
    from tidecast.samples.prometheus_answers import series_text

    return series_text(labels)


def _date(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
