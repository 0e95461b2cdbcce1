"""Both label indexes find exactly the series that pass every matcher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples.codec import decode_label_sets, encode_label_sets
from tidecast.samples.index import FixedIndex, GrowingIndex, find
from tidecast.samples.matchers import InvalidRegex, matches_all

from . import support


def growing(sets):
    index = GrowingIndex()
    for labels in sets:
        index.add(labels)
    return index


def fixed(sets):
    return FixedIndex(decode_label_sets(encode_label_sets(sets)))


@pytest.mark.parametrize("build", [growing, fixed])
@given(sets=st.lists(support.series, unique=True, max_size=12), matchers=support.matcher_lists)
def test_find_agrees_with_trying_each_series(build, sets, matchers):
    index = build(sets)
    expected = [i for i, labels in enumerate(sets) if matches_all(matchers, labels)]
    assert find(index, matchers).tolist() == expected
    names = {name for labels in sets for name, _ in labels}
    assert set(index.names()) == names
    for name in [*names, "absent"]:
        values = {value for labels in sets for key, value in labels if key == name}
        assert set(index.values(name)) == values


@pytest.mark.parametrize("build", [growing, fixed])
def test_an_invalid_regex_is_refused_even_where_no_series_is(build):
    with pytest.raises(InvalidRegex, match=r"a\("):
        find(build([]), [support.matcher("host", "=~", "a(")])
