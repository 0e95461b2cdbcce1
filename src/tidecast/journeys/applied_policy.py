"""The policy that is in force: checked as a whole, applied as a whole, kept with who did it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from tidecast.policy.model import InvalidPolicy, Policy
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast.records.policies import AppliedPolicy

CheckPolicy = Callable[[Policy], None]
"""Raises `InvalidPolicy` for a policy that a room cannot follow."""

log = logging.getLogger(__name__)


class PolicyInForce:
    """The policy of the newest version; `apply` puts another in its place, or changes nothing.

    `checks` are asked before a version is applied. Safe to use from several threads.
    """

    def __init__(self, records: Records, checks: Sequence[CheckPolicy] = ()) -> None:
        self._records, self._checks = records, checks
        self._lock = threading.Lock()
        with records.reading() as unit:
            version = unit.policies.current()
        self.version: AppliedPolicy | None = None
        self.policy = Policy()
        if version is not None:
            self._keep(version)

    def _keep(self, version: AppliedPolicy) -> None:
        try:
            self.policy = read_policy(version.files)
        except InvalidPolicy as error:
            # Applied by another version of Tidecast: the server must start all the same.
            log.error("the applied policy (version %s) cannot be followed: %s", version.id, error)
        self.version = version

    def read(self, files: Mapping[str, str]) -> Policy:
        """The policy that these files would make; raises `InvalidPolicy` where it is refused."""
        policy = read_policy(files)
        for check in self._checks:
            check(policy)
        return policy

    def apply(
        self, files: Mapping[str, str], author: str, comment: str, at_ms: int
    ) -> AppliedPolicy:
        """Puts these files in force; raises `InvalidPolicy`, and nothing is changed then."""
        policy = self.read(files)
        with self._lock:
            with self._records.unit() as unit:
                version = unit.policies.apply(AppliedPolicy(at_ms, author, comment, dict(files)))
                unit.audit.add(at_ms, author, "apply policy", f"version {version.id} {comment}")
            self.policy, self.version = policy, version
        return version

    def as_of(self, at_ms: int) -> Policy:
        """The policy that was in force at that time; an empty one where none was."""
        with self._records.reading() as unit:
            version = unit.policies.current(known_on_ms=at_ms)
        return read_policy(version.files) if version else Policy()
