"""The policy over HTTP: what is in force, what would change, and putting another in force."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.judged_requirements import requirement_document
from tidecast.journeys.lint_policy import lint
from tidecast.policy.differences import Difference, differences
from tidecast.policy.model import Policy
from tidecast.policy.reading import MAX_BYTES, MAX_FILES, SUFFIXES
from tidecast.records.policies import AppliedPolicy
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.parameters import parameters_of, whole_number
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import PREFIX, Answer, json_endpoint

MAX_BODY_BYTES = 2 * MAX_BYTES
MAX_PATH_CHARACTERS = 500
MAX_WORDS_CHARACTERS = 10_000
VERSIONS_SHOWN = 100


class PolicyApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application
        self._one_at_a_time = threading.Lock()

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        handlers: list[tuple[str, str, Answer]] = [
            ("GET", "/policy", self.in_force),
            ("PUT", "/policy", self.put),
            ("GET", "/policy/versions", self.versions),
            ("GET", "/requirements", self.requirements),
        ]
        return [
            Route(PREFIX + path, json_endpoint(answer), methods=[method])
            for method, path, answer in handlers
        ]

    async def in_force(self, request: Request) -> object:
        """The version that holds, with its files; all is empty where none was applied."""
        version = self._app.policy.version
        return {**version_document(version), "files": dict(version.files) if version else {}}

    async def versions(self, request: Request) -> object:
        """Who applied what and when, the newest first, without the files."""
        limit = whole_number(await parameters_of(request), "limit")
        found = await run_in_threadpool(self._recent, VERSIONS_SHOWN if limit is None else limit)
        return {"versions": [version_document(each) for each in found]}

    async def requirements(self, request: Request) -> object:
        """What is asked for, and whether it was met in its review period."""
        return {"requirements": await run_in_threadpool(self.judged)}

    def judged(self) -> list[Document]:
        """Every requirement that is not retired, judged by what was measured."""
        found = self._app.requirements.newest(self._app.engine, self._app.clock.now_ms())
        return [requirement_document(each) for each in found]

    def _recent(self, limit: int) -> list[AppliedPolicy]:
        with self._app.records.reading() as unit:
            return unit.policies.recent(limit)

    async def put(self, request: Request) -> object:
        """Puts these files in force, whole or not at all; with `dry_run=true` only tells the plan.

        What is in force already makes no new version.
        """
        body = await read_json(request, MAX_BODY_BYTES)
        files = checked_files(body.get("files"))
        only_tell = request.query_params.get("dry_run", "false")
        if only_tell not in ("true", "false"):
            raise Problem(400, f"dry_run must be true or false, not {only_tell[:100]!r}")
        if only_tell == "true":
            return await run_in_threadpool(self._plan, files)
        by, comment = _words(body, "by"), _words(body, "comment", "")
        return await run_in_threadpool(self._apply, files, by, comment)

    def _plan(self, files: dict[str, str]) -> dict[str, object]:
        policy = self._app.policy.read(files)
        return self._told(self._app.policy.policy, policy)

    def _apply(self, files: dict[str, str], by: str, comment: str) -> dict[str, object]:
        with self._one_at_a_time:
            before, standing = self._app.policy.policy, self._app.policy.version
            if standing is None or standing.files != files:
                self._app.apply_policy(files, by, comment)
            return self._told(before, self._app.policy.policy)

    def _told(self, before: Policy, after: Policy) -> dict[str, object]:
        plan = [difference_document(each) for each in differences(before, after)]
        warnings = [
            {"place": str(each.place), "what": each.what}
            for each in lint(after, self._app.clock.today(), self._app.definitions.keys())
        ]
        told = version_document(self._app.policy.version)
        return {**told, "differences": plan, "warnings": warnings}


def checked_files(value: object) -> dict[str, str]:
    """The files of a request's body: texts by relative path; raises `Problem`."""
    if not isinstance(value, dict):
        raise Problem(400, "files must map relative paths to texts")
    if len(value) > MAX_FILES:
        raise Problem(400, f"{len(value)} files; at most {MAX_FILES} are read")
    for path, text in value.items():
        pure = PurePosixPath(path)
        if (
            pure.suffix not in SUFFIXES
            or not pure.name.strip(".")
            or str(pure) != path
            or pure.is_absolute()
            or any(part.startswith(".") for part in pure.parts)
            or len(path) > MAX_PATH_CHARACTERS
            or not path.isprintable()
        ):
            raise Problem(
                400, f"{path[:200]!r} is no relative path to a {', '.join(SUFFIXES)} file"
            )
        if not isinstance(text, str) or "\0" in text:
            raise Problem(400, f"{path[:200]!r} must be a text without NUL characters")
    return value


def version_document(version: AppliedPolicy | None) -> dict[str, object]:
    """Who applied it and when."""
    return {
        "version": version.id if version else None,
        "applied": iso(version.applied_ms) if version else None,
        "author": version.author if version else "",
        "comment": version.comment if version else "",
    }


def difference_document(each: Difference) -> dict[str, object]:
    """One line of a plan."""
    return {
        "action": str(each.action),
        "kind": each.kind,
        "name": each.name,
        "place": str(each.place),
        "parts": list(each.parts),
    }


def _words(body: dict[str, object], name: str, otherwise: str | None = None) -> str:
    value = body.get(name, otherwise)
    if not isinstance(value, str) or len(value) > MAX_WORDS_CHARACTERS:
        raise Problem(400, f"{name} must be a text of at most {MAX_WORDS_CHARACTERS} characters")
    if otherwise is None and not value:
        raise Problem(400, f"{name} must not be empty: say who does this")
    return value
