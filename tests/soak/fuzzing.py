"""Fuzzing: a plain seeded mutator that needs nothing, and atheris, which follows the coverage."""

from __future__ import annotations

import base64
import importlib.util
import random
import re
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.soak.corpus import SEEDS, WORDS
from tests.soak.finding import Tally
from tests.soak.targets import TARGETS

INPUTS_A_PLAN = 150
TIMEOUT_SECONDS = 10
MAX_INPUT_BYTES = 4096
MAX_MEMORY_MB = 2048


def mutate(tally: Tally, plans: range, _: Path) -> None:
    """Runs these plans, each some mutated inputs for one target."""
    seeds = {name: make() for name, make in SEEDS.items()}
    for number in plans:
        name = list(TARGETS)[number % len(TARGETS)]
        rng = random.Random(f"{tally.seed} {name} {number}")
        for _ in range(INPUTS_A_PLAN):
            data = _mutated(rng.choice(seeds[name]), seeds[name], WORDS[name], rng)
            tally.counts[name] += 1
            try:
                with _limited(TIMEOUT_SECONDS):
                    TARGETS[name](data)
            except Exception:
                tally.found(number, f"{name}: {data!r}", traceback.format_exc().splitlines()[-8:])
                break
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    tally.counts["peak_mb"] = peak_mb
    if peak_mb > MAX_MEMORY_MB:
        tally.found(plans[-1], "memory", [f"{peak_mb} MB"])


def _mutated(data: bytes, others: list[bytes], words: list[bytes], rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at, end = sorted(rng.randrange(len(out) + 1) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at:end]
        elif kind == 2:
            out[at:at] = out[at:end] * rng.choice((1, 1, 2, 30))
        elif kind == 3:
            out[at:at] = rng.choice(words)
        elif kind == 4 and out:
            out[at % len(out)] = rng.randrange(256)
        else:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1) :]
        del out[MAX_INPUT_BYTES:]
    return bytes(out)


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Raises TimeoutError within when it takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def guided(tally: Tally, seconds: int, directory: Path) -> None:
    """Has atheris look for so long at each target, all of them at once."""
    if importlib.util.find_spec("atheris") is None:
        tally.not_run.append(
            "fuzz: atheris is not installed (`make soak` does where it has wheels)"
        )
        print(tally.not_run[-1], flush=True)
        return
    running = {name: _started(name, tally.seed, seconds, directory / name) for name in TARGETS}
    for number, (name, process) in enumerate(running.items()):
        text = process.communicate(timeout=seconds + 300)[0]
        done = re.search(r"Done (\d+) runs", text)
        tally.counts[f"{name}: inputs"] = int(done[1]) if done else 0
        tally.counts[f"{name}: branches"] = max(
            map(int, re.findall(r"cov: (\d+)", text)), default=0
        )
        tally.counts[f"{name}: peak_mb"] = max(
            map(int, re.findall(r"rss: (\d+)Mb", text)), default=0
        )
        if process.returncode or not done:
            artifacts = [
                f"{path.name}: {base64.b64encode(path.read_bytes()).decode()}"
                for path in (directory / name).glob("found-*")
            ]
            tally.found(number, name, [*text.splitlines()[-30:], *artifacts])


def _started(name: str, seed: int, seconds: int, directory: Path) -> subprocess.Popen[str]:
    corpus = directory / "corpus"
    corpus.mkdir(parents=True)
    for number, data in enumerate(SEEDS[name]()):
        (corpus / f"{number:05d}").write_bytes(data)
    words = directory / "words"
    words.write_text(
        "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS[name])
    )
    options = {
        "seed": seed % 2**31,
        "max_total_time": seconds,
        "timeout": TIMEOUT_SECONDS,
        "rss_limit_mb": MAX_MEMORY_MB,
        "max_len": MAX_INPUT_BYTES,
        "dict": words,
        "artifact_prefix": f"{directory}/found-",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soak.follow_coverage", name, str(corpus), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
