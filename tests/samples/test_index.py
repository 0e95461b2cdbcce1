"""Both label indexes find exactly the series that pass every matcher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples.index import FixedIndex, GrowingIndex, find
from tidecast.samples.label_table import encode_label_table, read_label_table
from tidecast.samples.matchers import InvalidRegex, matches_all

from . import support


def growing(sets):
    index = GrowingIndex()
    for labels in sets:
        index.add(labels)
    return index


def fixed(sets):
    return FixedIndex(read_label_table(memoryview(encode_label_table(sets))))


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


PATTERNS = ["a|b", "(a|ab)", "a.*", "ab?", "a\\.b", "(?i)A", "a|", "", ".*", ".+", "a+", "^a", "b$",
            "(a)(b)", "[ab]", "a{2}", "\\d", "ab.*|b", "(?:a.b|a\\.b)", "\\Qa.b\\E"]  # fmt: skip
SPELLINGS = ["a", "b", "ab", "aa", "a.b", "axb", "A", "1", "a\U0010ffff", "a\U0010ffffz", "a\n"]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("op", ["=~", "!~"])
@pytest.mark.parametrize("build", [growing, fixed])
def test_regexes_taken_apart_find_what_trying_each_value_finds(build, op, pattern):
    sets = [support.labels_of("up", host=spelling) for spelling in SPELLINGS]
    wanted = [support.matcher("host", op, pattern)]
    expected = [i for i, labels in enumerate(sets) if matches_all(wanted, labels)]
    assert find(build(sets), wanted).tolist() == expected


@pytest.mark.parametrize("build", [growing, fixed])
def test_values_by_their_beginning(build):
    index = build([support.labels_of("up", host=spelling) for spelling in SPELLINGS])
    for start in ("", "a", "a.", "a\U0010ffff", "z"):
        expected = sorted(value for value in SPELLINGS if value.startswith(start))
        assert sorted(index.values("host", start)) == expected
