"""What a part of the soak test did and found."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts by what was counted, and the findings, each with the plan that shows it again."""

    part: str
    seed: int
    plans: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, object]] = field(default_factory=list)
    undetected: Counter[str] = field(default_factory=Counter)
    not_run: list[str] = field(default_factory=list)

    def found(self, plan: int, what: str, faults: list[str]) -> None:
        """Notes what went wrong; nothing where there are no faults."""
        if not faults:
            return
        again = f"python -m tests.soak --seed {self.seed} --part {self.part} --plan {plan}"
        self.findings.append(
            {"part": self.part, "plan": plan, "what": what, "faults": faults, "again": again}
        )
        print(
            f"FOUND {self.part} plan {plan}: {what}", *faults, f"  {again}", sep="\n  ", flush=True
        )

    @contextmanager
    def plan(self, number: int, what: str) -> Iterator[None]:
        """An exception within is a finding of this plan. Tells of every tenth of the plans."""
        try:
            yield
        except Exception:
            self.found(number, what, traceback.format_exc().splitlines()[-12:])
        if self.plans >= 10 and (number + 1) % (self.plans // 10) == 0:
            print(f"{self.part}: {number + 1} of {self.plans}", flush=True)
