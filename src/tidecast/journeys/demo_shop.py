"""The hosts of the demo's fictitious shop, with what happens to a fleet planted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidecast.journeys.demo_curves import Curve

GIB = 1 << 30
HISTORY_DAYS = 396
YOUNG_DAYS = 9


@dataclass(frozen=True, slots=True)
class Mount:
    """A filesystem and how it fills; `inodes_share`: its inodes fill at that part of the pace."""

    mountpoint: str
    size_bytes: int
    usage: Curve
    device: str
    inodes_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the shop; `since_days` is how long it has been there."""

    name: str
    cpus: int
    memory_bytes: int
    cpu: Curve
    memory: Curve
    mounts: Sequence[Mount]
    network: Curve
    since_days: float = HISTORY_DAYS


def shop() -> list[Host]:
    """The hosts of the shop, in the order of their tasks."""
    return [*_web(), *_app(), *_databases(), *_cache_and_queue(), *_nightly()]


def _root(level: float = 0.35) -> Mount:
    return Mount(
        "/", 40 * GIB, Curve(level, growth_a_day=0.00008, wander=0.004, spread=0.0004), "/dev/vda1"
    )


def _web() -> list[Host]:
    """Busy by day; logs are rotated weekly, on web-3 the rotation no longer keeps up."""
    return [
        Host(
            name=f"web-{i}",
            cpus=4,
            memory_bytes=8 * GIB,
            cpu=Curve(0.30 + 0.02 * i, 0.0002, daily=0.30, weekend=0.6, wander=0.02, spread=0.03),
            memory=Curve(0.55, 0.0001, daily=0.06, weekend=0.7, spread=0.008),
            mounts=[
                _root(),
                Mount(
                    "/var",
                    60 * GIB,
                    Curve(
                        0.79 if i == 3 else 0.52,
                        0.0011 if i == 3 else 0.0001,
                        saw_height=0.10,
                        wander=0.010,
                        spread=0.001,
                    ),
                    "/dev/vdb1",
                ),
            ],
            network=Curve(0.22, 0.0002, daily=0.20, weekend=0.6, spread=0.02),
        )
        for i in (1, 2, 3)
    ]


def _app() -> list[Host]:
    """A release 74 days ago made each request dearer; app-3 came nine days ago."""
    return [
        Host(
            name=f"app-{i}",
            cpus=8,
            memory_bytes=32 * GIB,
            cpu=Curve(
                0.50, 0.0004, daily=0.26, weekend=0.55, step=0.10, step_days_ago=74, spread=0.025
            ),
            memory=Curve(0.66, 0.0001, daily=0.03, step=0.08, step_days_ago=74, spread=0.005),
            mounts=[_root(0.42), Mount("/var", 60 * GIB, _logs(), "/dev/vdb1")],
            network=Curve(0.12, 0.0001, daily=0.12, weekend=0.55, spread=0.015),
            since_days=YOUNG_DAYS if i == 3 else HISTORY_DAYS,
        )
        for i in (1, 2, 3)
    ]


def _logs() -> Curve:
    return Curve(0.38, 0.00005, saw_height=0.14, wander=0.008, spread=0.001)


def _databases() -> list[Host]:
    """db-1's data grows steadily and fills its disk first; db-2 is its replica with more room."""
    return [
        Host(
            name=f"db-{i}",
            cpus=8,
            memory_bytes=64 * GIB,
            cpu=Curve(0.36 if i == 1 else 0.18, 0.0003, daily=0.22, weekend=0.7, nightly=0.1),
            memory=Curve(0.78 if i == 1 else 0.71, 0.0001, wander=0.008, spread=0.004),
            mounts=[
                _root(),
                Mount("/var", 60 * GIB, _logs(), "/dev/vdb1"),
                Mount("/srv/postgresql", size * GIB, curve, "/dev/vdc1", inodes_share=0.05),
            ],
            network=Curve(0.18, 0.0002, daily=0.14, weekend=0.7, nightly=0.2, spread=0.02),
        )
        for i, size, curve in (
            (1, 2048, Curve(0.845, 0.0019, daily=0.002, wander=0.008, spread=0.0006)),
            (2, 4096, Curve(0.44, 0.00095, daily=0.001, wander=0.006, spread=0.0004)),
        )
    ]


def _cache_and_queue() -> list[Host]:
    """What does not grow: a full cache, and a queue that comes and goes."""
    noisy = Curve(0.30, spread=0.06)
    return [
        Host(
            name="cache-1",
            cpus=4,
            memory_bytes=64 * GIB,
            cpu=Curve(0.15, daily=0.10, weekend=0.6),
            memory=Curve(0.84, spread=0.006),
            mounts=[_root()],
            network=Curve(0.35, 0.0002, daily=0.25, weekend=0.6, spread=0.03),
        ),
        Host(
            name="queue-1",
            cpus=4,
            memory_bytes=16 * GIB,
            cpu=noisy,
            memory=Curve(0.48, spread=0.03),
            mounts=[_root(), Mount("/var/lib/queue", 200 * GIB, noisy, "/dev/vdb1")],
            network=Curve(0.10, daily=0.08, weekend=0.6, spread=0.03),
        ),
    ]


def _nightly() -> list[Host]:
    """What works at night, and at the end of the month."""
    return [
        Host(
            name="batch-1",
            cpus=16,
            memory_bytes=64 * GIB,
            cpu=Curve(0.22, 0.0001, nightly=0.45, month_end=0.30, spread=0.02),
            memory=Curve(0.35, nightly=0.25, month_end=0.20, spread=0.01),
            mounts=[
                _root(),
                Mount("/scratch", 500 * GIB, Curve(0.46, nightly=0.15, spread=0.004), "/dev/vdb1"),
            ],
            network=Curve(0.06, nightly=0.25, month_end=0.1, spread=0.01),
        ),
        Host(
            name="backup-1",
            cpus=4,
            memory_bytes=16 * GIB,
            cpu=Curve(0.10, nightly=0.35),
            memory=Curve(0.30, nightly=0.15),
            mounts=[
                _root(),
                Mount(
                    "/backup",
                    16384 * GIB,
                    Curve(0.74, 0.0014, saw_height=0.07, wander=0.012, spread=0.001),
                    "/dev/vdb1",
                    inodes_share=0.6,
                ),
            ],
            network=Curve(0.05, nightly=0.55, spread=0.01),
        ),
    ]
