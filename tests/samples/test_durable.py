"""Small files written whole or not at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples.durable import CheckedJson, DamagedFile, write_atomically

bodies = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4)


@given(st.lists(bodies, min_size=1, max_size=3))
def test_the_newest_body_comes_back(new_directory, saved):
    path = new_directory() / "small.json"
    file = CheckedJson(path)
    for body in saved:
        file.save(body)
    assert CheckedJson(path).load() == (saved[-1], [])


def test_what_was_never_saved_is_nothing(tmp_path):
    assert CheckedJson(tmp_path / "small.json").load() == (None, [])


def test_of_two_copies_the_newer_counts(tmp_path):
    # As after a crash between the two writes.
    path = tmp_path / "small.json"
    file = CheckedJson(path)
    file.save("old")
    old = file.paths[1].read_bytes()
    file.save("new")
    file.paths[1].write_bytes(old)
    assert CheckedJson(path).load() == ("new", [])
    again = CheckedJson(path)
    again.load()
    again.save("newest")
    assert json.loads(path.read_bytes()[9:])["version"] == 3


def test_with_no_copy_to_trust_it_says_so(tmp_path):
    path = tmp_path / "small.json"
    CheckedJson(path).save(1)
    for copy in CheckedJson(path).paths:
        copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match="checksum does not match"):
        CheckedJson(path).load()


def test_nothing_but_the_file_remains(tmp_path):
    write_atomically(tmp_path / "a", b"1")
    write_atomically(tmp_path / "a", b"2")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"2")]
