"""`tidecast backup` and `tidecast restore`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import click

from tidecast.cli.client import TidecastServer, explain_errors, server_options
from tidecast_collector.errors import TidecastError

BACKUPS_PATH = "/api/tidecast/v1/backups"
PATIENCE_SECONDS = 3600.0
"""Every byte is read once while a backup is made."""


@click.command()
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--keep", is_flag=True, help="Leave the server's own copy in place too.")
@server_options
def backup(target: Path | None, keep: bool, server: TidecastServer) -> None:
    """Save everything a running server holds, consistent and verified.

    The server goes on meanwhile. Without TARGET the backup stays beside its data, in
    DATA_DIR/backups. TARGET is a tar file (NAME.tar) or a new directory; it is fetched from the
    server, which then removes its own copy.

    \b
    Examples:
      tidecast backup
      tidecast backup /mnt/backup/tidecast.tar
      tidecast backup /mnt/backup/monday --server https://tidecast.example:9797
    """
    server.wait_up_to(PATIENCE_SECONDS)
    if target is not None and target.exists():
        raise TidecastError(f"{target} is there already: choose another name")
    made = server.post_json(BACKUPS_PATH, {})
    place = made["path"]
    if target is not None:
        try:
            _fetch(server, made["name"], target)
        finally:
            if not keep:
                server.request("DELETE", f"{BACKUPS_PATH}/{made['name']}")
        place = str(target)
    click.echo(f"saved {made['files']} files, {made['size_bytes']:,} bytes: {place}")
    _tell(made)


def _fetch(server: TidecastServer, name: str, target: Path) -> None:
    """The backup at `target`, whole and checked, or nothing there."""
    from tidecast.journeys.backups import check_backup, unpack

    archive = target.with_name(target.name + ".partial")
    directory = target.with_name(target.name + ".unpacked")
    try:
        with archive.open("xb") as file:
            for chunk in server.stream(f"{BACKUPS_PATH}/{name}"):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        unpack(archive, directory)
        check_backup(directory)
        (archive if target.suffix == ".tar" else directory).rename(target)
    except OSError as error:
        raise TidecastError(f"cannot write {target}: {error.strerror}") from error
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)


def _tell(made: dict[str, Any]) -> None:
    for what in made["left_out"]:
        click.echo(f"not in it: {what}", err=True)
    for what in made["damage"]:
        click.echo(f"damaged already: {what} (see tidecast verify-store)", err=True)


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--data-dir",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A directory that is empty or not there.",
)
@explain_errors
def restore(source: Path, data_dir: Path) -> None:
    """Put the backup SOURCE (a directory or tar file) into an empty data directory.

    Every file is checked against the backup's manifest first; where one is damaged, it is named
    and nothing is restored. Needs no server.

    \b
    Examples:
      tidecast restore /mnt/backup/tidecast.tar --data-dir /srv/tidecast
      tidecast restore /srv/old/backups/20260102T030405.000000Z --data-dir /srv/tidecast
    """
    from tidecast.journeys.backups import restore_backup

    manifest = restore_backup(source, data_dir)
    click.echo(f"restored {len(manifest.files)} files, {manifest.size_bytes:,} bytes: {data_dir}")
    for what in manifest.left_out:
        click.echo(f"not in it: {what}", err=True)
    click.echo(f"start it with: tidecast server --data-dir {data_dir}")
    if (data_dir / "policy").is_dir():
        click.echo(f"the files that the old server was started with are in {data_dir / 'policy'}")
