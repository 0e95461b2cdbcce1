"""Backups over HTTP: made beside the data, listed, fetched as a tar file, removed."""

from __future__ import annotations

import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tidecast.journeys.backup_manifest import DamagedBackup, Manifest
from tidecast.journeys.backups import (
    BackupExists,
    Holdings,
    list_backups,
    make_backup,
    tar_stream,
)
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.error_status import status_of
from tidecast.server.problems import Problem, problem_response
from tidecast_collector.errors import TidecastError

PATH = "/api/tidecast/v1/backups"
MAX_BODY_BYTES = 64 << 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class BackupApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application
        self._one_at_a_time = threading.Lock()

    @property
    def _directory(self) -> Path:
        return self._app.settings.data_dir / "backups"

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        return [
            Route(PATH, self.collection, methods=["GET", "POST"]),
            Route(f"{PATH}/{{name}}", self.one, methods=["GET", "DELETE"]),
        ]

    async def collection(self, request: Request) -> Response:
        """GET lists the backups; POST makes one, named after the time unless told otherwise."""
        try:
            if request.method == "GET":
                found = await run_in_threadpool(list_backups, self._directory)
                answer: object = {
                    "backups": [self._document(name, about) for name, about in found.items()]
                }
            else:
                body = await read_json(request, MAX_BODY_BYTES)
                answer = await run_in_threadpool(self._make, body.get("name"))
        except TidecastError as error:
            return _refused(error)
        return Response(orjson.dumps(answer), media_type="application/json")

    async def one(self, request: Request) -> Response:
        """GET answers the backup as a tar file; DELETE removes it."""
        path = self._directory / _checked(request.path_params["name"])
        if not await run_in_threadpool((path / "manifest.json").is_file):
            return problem_response(404, f"there is no backup {path.name!r}")
        if request.method == "DELETE":
            await run_in_threadpool(shutil.rmtree, path)
            return Response(status_code=204)
        headers = {"content-disposition": f'attachment; filename="{path.name}.tar"'}
        return StreamingResponse(tar_stream(path), headers=headers, media_type="application/x-tar")

    def _make(self, wanted: object) -> object:
        now_ms = self._app.clock.now_ms()
        if wanted is None:
            wanted = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S.%fZ}"
        if not isinstance(wanted, str) or not _NAME.fullmatch(wanted):
            raise Problem(400, "name: letters, digits, '.', '_' and '-' only, at most 100")
        if not self._one_at_a_time.acquire(blocking=False):
            raise Problem(409, "another backup is being made: try again when it is done")
        try:
            target = self._directory / wanted
            return self._document(wanted, make_backup(self._holdings(), target, now_ms))
        finally:
            self._one_at_a_time.release()

    def _holdings(self) -> Holdings:
        settings, raw = self._app.settings, self._app.raw
        given = (*settings.rules_files, settings.resources_file, settings.token_file)
        return Holdings(
            raw if isinstance(raw, EmbeddedSamples) else None,
            self._app.own,
            self._app.records,
            [path for path in given if path is not None],
        )

    def _document(self, name: str, about: Manifest | DamagedBackup) -> dict[str, object]:
        path = str((self._directory / name).absolute())
        if isinstance(about, DamagedBackup):
            return {"name": name, "path": path, "damage": [str(about)]}
        return {
            "name": name,
            "path": path,
            "made": f"{datetime.fromtimestamp(about.made_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "files": len(about.files),
            "size_bytes": about.size_bytes,
            "left_out": about.left_out,
            "damage": about.damage,
        }


def _checked(name: str) -> str:
    return name if _NAME.fullmatch(name) else "-"


def _refused(error: TidecastError) -> Response:
    status = 409 if isinstance(error, BackupExists) else status_of(error)
    return problem_response(status, str(error))
