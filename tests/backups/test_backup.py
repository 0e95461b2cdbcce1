"""Backups: everything acknowledged is in them, and a damaged one is refused by name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tidecast.cli.main import main
from tidecast.journeys.backup_manifest import (
    MANIFEST,
    BackupFile,
    DamagedBackup,
    Manifest,
    check_path,
    read_manifest,
)
from tidecast.journeys.backups import (
    BackupExists,
    Holdings,
    list_backups,
    make_backup,
    restore_backup,
    tar_stream,
    unpack,
)
from tidecast.records import Records
from tidecast.samples.batch import SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels, make_labels

NOW_MS = 1_700_000_000_000
ALL_TIME = (-(2**53), 2**53)


def load(number: int) -> Labels:
    return make_labels({"__name__": "load", "instance": f"web-{number}"})


def batch(first: int, count: int = 10) -> SampleBatch:
    times = NOW_MS + np.arange(first, first + count, dtype=np.int64) * 1000
    return SampleBatch.of((load(n), times, times / 7 + n) for n in range(3))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture
def holdings(data: Path) -> Iterator[Holdings]:
    """A store with samples in segments and log, deletions, metadata, records and a rule file."""
    rules = data / "my-rules.yml"
    rules.write_text("groups: []\n")
    with ExitStack() as opened:
        raw = opened.enter_context(
            EmbeddedSamples(data / "samples" / "raw", upkeep_seconds=None, clock=lambda: NOW_MS)
        )
        own = opened.enter_context(EmbeddedSamples(data / "samples" / "own", upkeep_seconds=None))
        records = opened.enter_context(Records.open(f"sqlite:///{data / 'records.sqlite3'}"))
        raw.append(batch(0))
        raw.flush()
        raw.delete([Matcher("instance", MatchOp.EQUAL, "web-2")], NOW_MS, NOW_MS + 4000)
        raw.append(batch(10))
        with records.unit() as unit:
            unit.settings.put("generated", True)
        yield Holdings(raw, own, records, [rules])


def content(store: EmbeddedSamples) -> dict[Labels, list[tuple[int, float]]]:
    found = store.select([], *ALL_TIME)
    return {labels: list(zip(t.tolist(), v.tolist(), strict=True)) for labels, t, v in found}


def opened_content(data_dir: Path) -> dict[Labels, list[tuple[int, float]]]:
    with EmbeddedSamples(data_dir / "samples" / "raw", upkeep_seconds=None) as store:
        assert store.stats().problems == ()
        return content(store)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_what_was_saved_comes_back(holdings: Holdings, data: Path, tmp_path: Path) -> None:
    wanted = content(holdings.raw)
    manifest = make_backup(holdings, data / "backups" / "monday", NOW_MS)
    assert (manifest.left_out, manifest.damage) == ((), ())
    assert list_backups(data / "backups") == {"monday": manifest}
    holdings.raw.append(batch(20))  # what comes later is not in it

    new = tmp_path / "new"
    result = run("restore", str(data / "backups" / "monday"), "--data-dir", str(new))
    assert result.exit_code == 0, result.output
    assert opened_content(new) == wanted
    with Records.open(f"sqlite:///{new / 'records.sqlite3'}") as records, records.reading() as unit:
        assert unit.settings.get("generated") is True
    assert (new / "policy" / "00-my-rules.yml").read_text() == "groups: []\n"
    # The restored store goes its own way.
    with EmbeddedSamples(new / "samples" / "raw", upkeep_seconds=None) as store:
        store.append(batch(30))
        store.flush()
    restore_backup(data / "backups" / "monday", tmp_path / "again")
    assert opened_content(tmp_path / "again") == wanted


def test_segments_are_linked_not_copied(holdings: Holdings, data: Path) -> None:
    target = data / "backups" / "monday"
    make_backup(holdings, target, NOW_MS)
    (segment,) = (data / "samples" / "raw" / "segments").glob("*.seg")
    assert (target / "samples" / "raw" / "segments" / segment.name).samefile(segment)


def test_everything_acknowledged_before_is_in_it_while_writing_goes_on(
    holdings: Holdings, data: Path, tmp_path: Path
) -> None:
    acknowledged, stop = [0], threading.Event()

    def write() -> None:
        number = 100
        while not stop.is_set():
            holdings.raw.append(batch(number, 1))
            acknowledged[0] = number
            number += 1

    def flush() -> None:
        while not stop.is_set():
            holdings.raw.flush()

    threads = [threading.Thread(target=write), threading.Thread(target=flush)]
    for thread in threads:
        thread.start()
    try:
        for name in ("one", "two", "three"):
            before = acknowledged[0]
            make_backup(holdings, data / "backups" / name, NOW_MS)
            restore_backup(data / "backups" / name, tmp_path / name)
            times = [at for at, _ in opened_content(tmp_path / name)[load(0)]]
            # Gapless from the first to at least the last one acknowledged.
            late = [(at - NOW_MS) // 1000 for at in times if at >= NOW_MS + 100_000]
            assert late == list(range(100, 100 + len(late)))
            assert len(late) >= before - 99
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << (at % 8)
    path.unlink()  # a segment is linked: the store itself stays whole
    path.write_bytes(bytes(data))


def damages() -> dict[str, Callable[[Path], str]]:
    """Kinds of damage: each does it to the backup and returns what must be named."""

    def one(pattern: str, at: int) -> Callable[[Path], str]:
        def flip_one(backup: Path) -> str:
            path = next(backup.glob(pattern))
            flip(path, at % path.stat().st_size)
            return str(path.relative_to(backup))

        return flip_one

    def cut(backup: Path) -> str:
        path = next(backup.glob("samples/raw/log/*.log"))
        path.write_bytes(path.read_bytes()[:-1])
        return str(path.relative_to(backup))

    def lose(backup: Path) -> str:
        path = next(backup.glob("samples/raw/segments/*.seg"))
        path.unlink()
        return str(path.relative_to(backup))

    def add(backup: Path) -> str:
        (backup / "samples" / "raw" / "segments" / "0_1_000000000009.seg").write_bytes(b"x")
        return "0_1_000000000009.seg"

    return {
        "segment": one("samples/raw/segments/*.seg", 100),
        "log": one("samples/raw/log/*.log", 60),
        "records": one("records.sqlite3", 5000),
        "policy": one("policy/*", 3),
        "deletions": one("samples/raw/forgotten.json", 30),
        "manifest": one(MANIFEST, 200),
        "cut off": cut,
        "missing": lose,
        "foreign": add,
    }


@pytest.mark.parametrize("kind", sorted(damages()))
def test_a_damaged_backup_is_refused_with_the_file_named(
    kind: str, holdings: Holdings, data: Path, tmp_path: Path
) -> None:
    backup = data / "backups" / "monday"
    make_backup(holdings, backup, NOW_MS)
    named = damages()[kind](backup)
    archive = tmp_path / "backup.tar"
    result = run("restore", str(backup), "--data-dir", str(tmp_path / "new"))
    assert result.exit_code == 1
    assert named in result.output
    assert not (tmp_path / "new").exists()
    if kind in ("segment", "log", "records"):
        archive.write_bytes(b"".join(tar_stream(backup)))
        with pytest.raises(DamagedBackup, match=named):
            restore_backup(archive, tmp_path / "new")
    assert sorted(tmp_path.glob("new*")) == []


def test_the_list_tells_of_a_damaged_backup_beside_the_whole(
    holdings: Holdings, data: Path
) -> None:
    whole = make_backup(holdings, data / "backups" / "monday", NOW_MS)
    holdings.policy_files[0].unlink()
    later = make_backup(holdings, data / "backups" / "tuesday", NOW_MS)
    assert later.left_out == (f"{holdings.policy_files[0]}: not there any more",)
    (data / "backups" / "tuesday" / MANIFEST).write_text("{}")
    found = list_backups(data / "backups")
    assert found["monday"] == whole
    assert isinstance(found["tuesday"], DamagedBackup)


def test_what_an_engine_keeps_is_told_to_be_left_out(
    holdings: Holdings, data: Path, tmp_path: Path
) -> None:
    only_ours = replace(holdings, raw=None)
    manifest = make_backup(only_ours, data / "backups" / "monday", NOW_MS)
    assert manifest.left_out == ("raw samples: they are in the samples engine",)
    result = run("restore", str(data / "backups" / "monday"), "--data-dir", str(tmp_path / "new"))
    assert "not in it: raw samples" in result.output
    assert run("verify-store", str(tmp_path / "new")).exit_code == 0


def test_every_flipped_bit_of_the_manifest_is_found(holdings: Holdings, data: Path) -> None:
    backup = data / "backups" / "monday"
    make_backup(holdings, backup, NOW_MS)
    whole = (backup / MANIFEST).read_bytes()
    known = read_manifest(backup)
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 7)
        (backup / MANIFEST).write_bytes(changed)
        try:
            assert read_manifest(backup) == known  # a blank between two members, say
        except DamagedBackup as error:
            assert MANIFEST in str(error)


def test_a_tar_file_comes_back_and_a_part_of_one_does_not(
    holdings: Holdings, data: Path, tmp_path: Path
) -> None:
    wanted = content(holdings.raw)
    make_backup(holdings, data / "backups" / "monday", NOW_MS)
    whole = b"".join(tar_stream(data / "backups" / "monday"))
    archive = tmp_path / "backup.tar"
    archive.write_bytes(whole)
    restore_backup(archive, tmp_path / "new")
    assert opened_content(tmp_path / "new") == wanted
    for size in (0, 100, 600, len(whole) // 2, len(whole) // 2 + 511):
        archive.write_bytes(whole[:size])
        with pytest.raises(TidecastError):
            restore_backup(archive, tmp_path / "part")
        assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "."])
def test_no_path_leads_out_of_a_backup(path: str) -> None:
    with pytest.raises(DamagedBackup, match="cannot be called so"):
        check_path(path)


def test_a_manifest_that_names_a_path_outside_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(0, "1", (BackupFile("../x", 1, "00"),))
    (tmp_path / MANIFEST).write_bytes(manifest.to_json())
    with pytest.raises(DamagedBackup, match="cannot be called so"):
        read_manifest(tmp_path)


def test_nothing_is_written_over(holdings: Holdings, data: Path, tmp_path: Path) -> None:
    make_backup(holdings, data / "backups" / "monday", NOW_MS)
    with pytest.raises(BackupExists, match="monday"):
        make_backup(holdings, data / "backups" / "monday", NOW_MS)
    result = run("restore", str(data / "backups" / "monday"), "--data-dir", str(data))
    assert result.exit_code == 1
    assert "not an empty directory" in result.output
    with pytest.raises(DamagedBackup, match="is this a backup"):
        restore_backup(tmp_path, tmp_path / "new")
    plain = tmp_path / "plain.tar"
    plain.write_bytes(b"no tar file")
    with pytest.raises(DamagedBackup, match="not a whole tar file"):
        unpack(plain, tmp_path / "unpacked")


def test_what_was_damaged_before_is_told(holdings: Holdings, data: Path) -> None:
    (segment,) = (data / "samples" / "raw" / "segments").glob("*.seg")
    changed = bytearray(segment.read_bytes())
    changed[20] ^= 1
    segment.write_bytes(changed)
    manifest = make_backup(holdings, data / "backups" / "monday", NOW_MS)
    assert len(manifest.damage) == 1
    assert segment.name in manifest.damage[0]


def test_verify_store_says_which_series_and_times_are_missing(
    holdings: Holdings, data: Path
) -> None:
    holdings.raw.flush()
    whole = run("verify-store", str(data))
    assert (whole.exit_code, whole.output[:6]) == (0, "whole:"), whole.output
    segments = sorted((data / "samples" / "raw" / "segments").glob("*.seg"))
    changed = bytearray(segments[0].read_bytes())
    changed[9] ^= 1  # the values of the first series begin behind the magic
    segments[0].write_bytes(changed)

    table = run("verify-store", str(data))
    assert table.exit_code == 1
    assert segments[0].name in table.output
    result = run("verify-store", str(data), "--format=json")
    assert result.exit_code == 1
    (row,) = json.loads(result.output)
    assert row == {
        "store": "raw",
        "file": f"segments/{segments[0].name}",
        "what": "damaged values",
        "series": '{__name__="load",instance="web-0"}',
        "from": "2023-11-14T22:00:00Z",
        "until": "2023-11-15T00:00:00Z",
    }
    footer = bytearray(segments[0].read_bytes())
    footer[-12] ^= 1
    segments[0].write_bytes(footer)
    (row,) = json.loads(run("verify-store", str(data), "--format=json").output)
    assert row["series"] == "unknown"


def test_verify_store_refuses_what_is_no_data_directory(tmp_path: Path) -> None:
    result = run("verify-store", str(tmp_path))
    assert result.exit_code == 2
    assert "holds no samples" in result.output
