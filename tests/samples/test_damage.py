"""A flipped bit or a cut in any file is found, told, and costs no more than what it touched."""

import random
import shutil

import pytest

from tidecast.samples.durable import DamagedFile
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.verify import verify

from .support import ALL_TIME, batch_of, content, everything, labels_of, matcher, open_store

UP = labels_of("up", host="a")
LOAD = labels_of("node_load1", host="a")
ABOUT = {"up": MetricMetadata("gauge", "Whether the scrape worked.")}


@pytest.fixture
def written(tmp_path):
    """A closed store with files of every kind: two segments, a log, deletions, metadata."""
    directory = tmp_path / "store"
    with open_store(directory) as store:
        store.append(
            batch_of((UP, [1, 500, 1500], [1, 2, 0.1]), (LOAD, [1, 500, 1500], [7, 8, 9e-9]))
        )
        store.flush()
        store.delete([matcher("__name__", "=", "up")], 500, 500)
        store.put_metadata(ABOUT)
        store.append(batch_of((UP, [5000], [3])))
    return directory


EXPECTED = content(
    batch_of((UP, [1, 1500, 5000], [1, 0.1, 3]), (LOAD, [1, 500, 1500], [7, 8, 9e-9]))
)


def is_part(found, whole):
    return all(set(samples) <= set(whole[labels]) for labels, samples in found.items())


def damaged_copies(path, seed, flips, cuts):
    """The file's content with one bit flipped or its end cut off."""
    data = path.read_bytes()
    rng = random.Random(seed)
    for at in sorted(rng.sample(range(len(data)), min(flips, len(data)))):
        yield data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    for size in rng.sample(range(len(data)), min(cuts, len(data))):
        yield data[:size]


def test_an_undamaged_store_verifies(written):
    report = verify(written)
    assert report.damage == ()
    # Two segments, one log, forgotten.json and metadata.json.
    assert report.files == 5
    with open_store(written) as store:
        assert everything(store) == EXPECTED
        assert verify(written).damage == ()


def test_a_damaged_segment_is_set_aside_and_the_rest_is_served(written, tmp_path):
    for path in sorted((written / "segments").glob("*.seg")):
        for number, data in enumerate(damaged_copies(path, path.name, 30, 5)):
            copy = tmp_path / "copy"
            shutil.copytree(written, copy)
            victim = copy / "segments" / path.name
            victim.write_bytes(data)
            (damage,) = verify(copy).damage
            assert damage.path == victim
            assert (damage.start_ms, damage.end_ms) in {(1, 1001), (1001, 2001)}
            with open_store(copy) as store:
                found = everything(store)
                assert is_part(found, EXPECTED), number
                assert content(store.select([], 5000, 5000)) == content(batch_of((UP, [5000], [3])))
                stats = store.stats()
                assert (stats.segments, stats.set_aside) == (1, 1)
                assert victim.name + ".bad" in stats.problems[0]
            (damage,) = verify(copy).damage
            assert damage.path == victim.with_name(victim.name + ".bad")
            assert damage.start_ms is not None
            shutil.rmtree(copy)


def test_a_damaged_log_never_serves_anything_wrong(written, tmp_path):
    (path,) = (written / "log").glob("*.log")
    for data in damaged_copies(path, 1, 30, 5):
        copy = tmp_path / "copy"
        shutil.copytree(written, copy)
        (copy / "log" / path.name).write_bytes(data)
        if len(data) > 8:
            assert verify(copy).damage
        with open_store(copy) as store:
            assert is_part(everything(store), EXPECTED)
            assert content(store.select([], 0, 2000)).keys() == {UP, LOAD}
            damaged = bool(store.stats().problems)
            store.flush()
        # The log has gone into segments; what is missing is told all the same.
        kept = [copy / "log" / (path.name + ".bad")] if damaged else []
        assert [each.path for each in verify(copy).damage] == kept
        shutil.rmtree(copy)


@pytest.mark.parametrize("name", ["forgotten.json", "metadata.json"])
def test_one_damaged_copy_of_a_small_file_loses_nothing(written, tmp_path, name):
    for victim in (name, name + ".copy"):
        for data in damaged_copies(written / victim, victim, 12, 3):
            copy = tmp_path / "copy"
            shutil.copytree(written, copy)
            (copy / victim).write_bytes(data)
            assert verify(copy).damage[0].path == copy / name
            with open_store(copy) as store:
                assert everything(store) == EXPECTED
                assert store.metadata() == ABOUT
                assert victim in store.stats().problems[0]
            shutil.rmtree(copy)


def test_verifying_tells_of_a_torn_log_and_of_what_was_set_aside(written):
    (log,) = (written / "log").glob("*.log")
    log.write_bytes(log.read_bytes()[:-3])
    (damage,) = verify(written).damage
    assert (damage.path, damage.start_ms) == (log, None)
    assert "torn" in damage.what
    bad = written / "metadata.json.bad"
    bad.write_bytes(b"")
    assert [d.path for d in verify(written).damage] == [bad, log]


def test_with_both_copies_of_the_deletions_damaged_nothing_is_served(written):
    for name in ("forgotten.json", "forgotten.json.copy"):
        (written / name).write_bytes(b"00000000\n{}")
    assert verify(written).damage[0].path == written / "forgotten.json"
    with pytest.raises(DamagedFile, match=r"forgotten\.json"):
        open_store(written)


def test_with_both_copies_of_the_metadata_damaged_it_starts_empty(written):
    for name in ("metadata.json", "metadata.json.copy"):
        (written / name).write_bytes(b"no")
    with open_store(written) as store:
        assert store.metadata() == {}
        assert everything(store) == EXPECTED
        assert "metadata" in store.stats().problems[0]
        store.put_metadata(ABOUT)
    with open_store(written) as store:
        assert store.metadata() == ABOUT


def test_a_segment_damaged_while_open_is_set_aside_when_it_is_read(written):
    with open_store(written) as store:
        path = sorted((written / "segments").glob("1_*.seg"))[0]
        with path.open("r+b") as file:
            file.seek(20)
            file.write(b"\xff\xff")
        assert store.select([], *ALL_TIME).timestamps.tolist() == [1500, 1500, 5000]
        assert store.stats().set_aside == 1
        store.maintain(10**6)
        assert is_part(everything(store), EXPECTED)


def test_a_segment_found_damaged_by_upkeep_is_set_aside(written):
    with open_store(written) as store:
        path = sorted((written / "segments").glob("1_*.seg"))[0]
        with path.open("r+b") as file:
            file.seek(20)
            file.write(b"\xff\xff")
        store.maintain(10**6)
        assert store.stats().set_aside == 1
        assert everything(store)[LOAD] == EXPECTED[LOAD][2:]


@pytest.mark.parametrize("ask", ["names", "values", "series", "stats"])
def test_damage_met_while_labels_are_asked_for_is_set_aside_too(written, ask):
    with open_store(written) as store:
        path = sorted((written / "segments").glob("1_*.seg"))[0]
        data = path.read_bytes()
        with path.open("r+b") as file:
            # The index ends where the meta begins.
            file.seek(data.index(b'{"start_ms"') - 30)
            file.write(bytes(10))
        chosen = [[matcher("host", "=~", ".+")]]
        if ask == "names":
            assert store.label_names(chosen, *ALL_TIME) == ["__name__", "host"]
        elif ask == "values":
            assert store.label_values("host", chosen, *ALL_TIME) == ["a"]
        elif ask == "series":
            assert len(store.series(chosen, *ALL_TIME)) == 2
        else:
            store.label_names([], *ALL_TIME)
        assert store.stats().segments <= 2
