"""The token file: who may come in, and what for. It holds hashes, never a token.

One token a line, blank lines and lines that begin with # aside:

    # name      scopes        hash
    web-3       ingest        sha256:5e88...
    grafana     ingest,read   sha256:9f86...
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tidecast_collector.errors import InvalidInput

_log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1 << 20
MAX_PRESENTED_CHARACTERS = 512

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_PREFIX = "tide_"
_HEAD = "# Tidecast tokens: name, scopes (ingest, read, operate), hash of the token.\n"


class Scope(StrEnum):
    """What a token is for: writing samples, reading, or changing things (which implies reading)."""

    INGEST = "ingest"
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the file knows it: everything but itself."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes

    def allows(self, scope: Scope) -> bool:
        """Whether the token may be used for this."""
        return scope in self.scopes or (scope is Scope.READ and Scope.OPERATE in self.scopes)


class TokenFile:
    """The tokens of one file, as last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._tokens = _read(path)

    @staticmethod
    def load(path: Path) -> TokenFile:
        """The tokens of this file.

        Raises `InvalidInput`, with file and line, for anything that is not as the file should be.
        Warns in the log where others than its owner and group may read it.
        """
        return TokenFile(path)

    @property
    def tokens(self) -> Sequence[Token]:
        """The tokens in the order of the file."""
        return self._tokens

    def verify(self, presented: str) -> Token | None:
        """The token that was presented; None where there is no such one.

        Takes the same time whichever of the tokens it is, and whether it is one at all.
        """
        if len(presented) > MAX_PRESENTED_CHARACTERS:
            return None
        digest = _digest(presented)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def reload_if_changed(self) -> bool:
        """Reads the file again where it changed since; returns whether it did.

        Raises `InvalidInput`, once for each change, where the file is wrong now; the tokens read
        before then stay in force.
        """
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._tokens = _read(self._path)
        return True


def create_token(path: Path, name: str, scopes: Iterable[Scope]) -> str:
    """Adds a token to the file, which is made where there is none; returns the token itself.

    It is to be shown once: nothing keeps it. Raises `InvalidInput` for a name that is taken or not
    well formed, and for a file that is wrong; the file is then as it was.
    """
    wanted = _scopes_text(scopes)
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no token name: use up to 64 of A-Z a-z 0-9 . _ - and begin with a letter "
            "or digit"
        )
    presented = _PREFIX + secrets.token_urlsafe(32)

    def added(lines: list[str]) -> list[str]:
        if any(token.name == name for token in _parse(lines, path)):
            raise InvalidInput(f"{path}: a token named {name!r} exists already; remove it first")
        return [*lines, f"{name} {wanted} sha256:{_digest(presented).hex()}\n"]

    _rewrite(path, added)
    return presented


def remove_token(path: Path, name: str) -> None:
    """Removes the token of this name; raises `InvalidInput` where there is none."""

    def removed(lines: list[str]) -> list[str]:
        if all(token.name != name for token in _parse(lines, path)):
            raise InvalidInput(f"{path}: no token is named {name!r}")
        return [line for line in lines if line.split()[:1] != [name]]

    _rewrite(path, removed)


def _digest(presented: str) -> bytes:
    # A plain hash is enough: a token is 256 random bits, so there is no dictionary to try, and a
    # slow hash as for passwords would only make each request slow.
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()


def _scopes_text(scopes: Iterable[Scope]) -> str:
    text = ",".join(sorted({Scope(scope) for scope in scopes}))
    if not text:
        raise InvalidInput("a token needs at least one scope: ingest, read or operate")
    return text


def _read(path: Path) -> tuple[Token, ...]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unusable(path, error) from error
    if mode & stat.S_IROTH:
        _log.warning("%s can be read by everybody; run chmod o-r on it", path)
    return _parse(_lines(path), path)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error) from error
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(f"{path}: a token file has at most {MAX_FILE_BYTES} bytes")
    lines = content.split(b"\n")
    try:
        decoded = [line.decode() for line in lines]
    except UnicodeDecodeError as error:
        number = 1 + next(n for n, line in enumerate(lines) if line == error.object)
        raise InvalidInput(f"{path}:{number}: not UTF-8 text") from error
    last = decoded.pop()
    return [f"{line}\n" for line in decoded] + ([f"{last}\n"] if last else [])


def _parse(lines: Iterable[str], path: Path) -> tuple[Token, ...]:
    tokens: list[Token] = []
    taken: dict[str | bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}:{number}"
        token = _parse_line(line, where)
        for key, what in ((token.name, "name"), (token.digest, "hash")):
            if key in taken:
                raise InvalidInput(f"{where}: the {what} of line {taken[key]} again; remove one")
            taken[key] = number
        tokens.append(token)
    return tuple(tokens)


def _parse_line(line: str, where: str) -> Token:
    # What is wrong is not repeated: somebody may have written a token itself into the file.
    parts = line.split()
    if len(parts) != 3:
        raise InvalidInput(f"{where}: a line reads `name scopes sha256:...`; see `tidecast token`")
    name, scopes, digest = parts
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{where}: the name may have up to 64 of A-Z a-z 0-9 . _ -")
    found = set(scopes.split(","))
    if not found <= set(Scope):
        raise InvalidInput(f"{where}: scopes are ingest, read and operate, with a comma between")
    hashed = _HASH.fullmatch(digest)
    if not hashed:
        raise InvalidInput(f"{where}: the hash is sha256: and 64 hexadecimal digits, never a token")
    return Token(name, frozenset(Scope(scope) for scope in found), bytes.fromhex(hashed[1]))


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    # A rewrite is a new file, so the inode tells what a coarse clock may not.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = path.resolve()
    try:
        with _locked(path.parent):
            lines = _lines(path) if path.exists() else [_HEAD]
            _replace(path, "".join(change(lines)))
    except OSError as error:
        raise _unusable(path, error) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else changes token files of this folder meanwhile; its new entries are durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if path.exists():
                # The service reads the file as another user than the one who adds a token.
                old = path.stat()
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _unusable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path}: the token file cannot be used: {error.strerror}")
