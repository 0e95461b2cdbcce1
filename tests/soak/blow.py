"""What is done to a file to damage it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Blow:
    """One bit flipped, or all cut off from some place on."""

    kind: str
    at: int
    bit: int = 0

    @staticmethod
    def on(size: int, rng: random.Random) -> Blow:
        """A seeded one for a file of this size, which is not empty."""
        kind = rng.choices(("flip", "cut", "empty"), (6, 3, 1))[0]
        if kind == "flip":
            return Blow(kind, rng.randrange(size), rng.randrange(8))
        return Blow(kind, 0 if kind == "empty" else rng.randrange(size))

    def strike(self, path: Path) -> None:
        """Damages the file in place."""
        with path.open("r+b") as file:
            if self.kind != "flip":
                file.truncate(self.at)
                return
            file.seek(self.at)
            (byte,) = file.read(1)
            file.seek(self.at)
            file.write(bytes([byte ^ 1 << self.bit]))

    def __str__(self) -> str:
        if self.kind == "flip":
            return f"bit {self.bit} of byte {self.at} flipped"
        return f"cut to {self.at} bytes"
