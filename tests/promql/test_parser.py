"""The parser accepts and refuses what PromQL does, says where, and prints what it parsed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.promql.duration_tree import DurationLiteral
from tidecast.promql.errors import ParseError
from tidecast.promql.lexer import MAX_QUERY_CHARACTERS
from tidecast.promql.parser import MAX_DEPTH, parse, selectors
from tidecast.promql.tree import (
    Binary,
    NumberLiteral,
    Subquery,
    VectorSelector,
    walk,
)

from .expressions import EXPRESSIONS as COMPARED
from .grammar import EXPRESSIONS
from .oracle import from_ours, from_theirs

CORPUS = (Path(__file__).parent / "corpus.txt").read_text().splitlines()

# Where promql-parser, which follows 2.45, is known to differ from Prometheus 3.x.
ORACLE_ACCEPTS = {"1e400": "a number out of range is an error in Prometheus"}
ORACLE_REFUSES = {"1_000": "underscores in numbers came with 3.x"}


def oracle(query: str) -> object:
    try:
        return from_theirs(promql_parser.parse(query))
    except ValueError:
        return "refused"


def mine(query: str) -> object:
    try:
        return from_ours(parse(query))
    except ParseError:
        return "refused"


@pytest.mark.parametrize("query", [*CORPUS, *COMPARED])
def test_agrees_with_oracle(query: str) -> None:
    if query in ORACLE_ACCEPTS:
        assert mine(query) == "refused"
    elif query in ORACLE_REFUSES:
        assert oracle(query) == "refused"
    elif query == "foo @ -1":  # the oracle panics when asked for a time before 1970
        assert mine(query) == ("vector", [("__name__", "=", "foo")], 0, ("time", -1000))
    else:
        assert mine(query) == oracle(query)


@given(EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_generated_queries_agree_with_oracle_and_round_trip(query: str) -> None:
    assert mine(query) == oracle(query)
    try:
        tree = parse(query)
    except ParseError:
        return
    assert parse(str(tree)) == tree
    for node in walk(tree):
        assert 0 <= node.span.start < node.span.end <= len(query)


_WORDS = r"""fill(1) fill_left( anchored smoothed </ info( step() min_of(
foo sum by ( ) { } [ ] , : = =~ " ' 5m 1 1e @ offset + - ^ and on group_left # \ _"""
TOKENS = [*_WORDS.split(), " ", "\n"]


@given(st.text(max_size=40) | st.lists(st.sampled_from(TOKENS)).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_parses_or_is_refused_with_a_position(text: str) -> None:
    try:
        tree = parse(text)
    except ParseError as error:
        assert error.line >= 1
        assert error.column >= 1
    else:
        assert parse(str(tree)) == tree


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_string_survives_printing(text: str) -> None:
    tree = parse('foo{a="x"}')
    assert isinstance(tree, VectorSelector)
    node = replace(tree, matchers=(replace(tree.matchers[0], value=text, name=text or "a"),))
    assert parse(str(node)) == node


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "1:1: parse error: no expression found in input"),
        ("sum(", "1:5: parse error: unclosed left parenthesis"),
        ("foo\n  bar", '2:3: parse error: unexpected identifier "bar"'),
        ("foo{a='b'", "1:10: parse error: unexpected end of input inside braces"),
        ("foo}", "1:4: parse error: unexpected character: '}'"),
        ("foo{a*'b'}", "1:6: parse error: unexpected character inside braces: '*'"),
        ("sum (a) by (b) without (c)", "1:16: parse error: unexpected <without>"),
        ("sum(a) on (b)", "1:8: parse error: unexpected <on>"),
        ("rate(a[1m]) @ 5", "1:1: parse error: @ modifier must be preceded by"),
        ("1 offset 5m", "1:1: parse error: offset modifier must be preceded by"),
        ("a @ -Inf", "1:1: parse error: timestamp out of bounds for @ modifier: -Inf"),
        ("a[1m][2m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix"),
        (r"'\q'", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("foo)", "1:5: parse error: unexpected right parenthesis ')'"),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "bool modifier can only be used on comparison operators"),
        ("a and 1", 'set operator "and" not allowed in binary scalar expression'),
        ("a and on (x) group_left b", 'no grouping allowed for "and" operation'),
        ("rate(foo)", '1:6: parse error: expected type range vector in call to function "rate"'),
        ("rate()", 'expected 1 argument(s) in call to "rate", got 0'),
        ("label_join(a, 'b')", 'expected at least 3 argument(s) in call to "label_join", got 2'),
        ("nope(foo)", '1:1: parse error: unknown function with name "nope"'),
        ("foo[5m", "1:7: parse error: unexpected end of input in duration"),
        ("foo[0s]", "duration must be greater than 0"),
        ("foo offset 1m offset 2m", "offset may not be set multiple times"),
        ("sum(foo) offset 1m", "offset modifier must be preceded by an instant vector selector"),
        ("foo @ Inf", "timestamp out of bounds for @ modifier"),
        ("foo{__name__='a'}", 'metric name must not be set twice: "foo" or "a"'),
        ("foo{a=~'('}", "1:5: parse error: invalid regular expression '(': missing ): ("),
        ("topk(foo)", "expected 2, got 1"),
        ('"\\xff"', "string is not valid UTF-8"),
        ("foo[5m] anchored smoothed", "anchored and smoothed modifiers cannot be used together"),
        ("foo smoothed smoothed", "1:14: parse error: smoothed may not be set multiple times"),
        ("foo[5m:1m] anchored", "anchored modifier must be preceded by an instant or range vector"),
        ("foo offset 1m[5m]", "no offset modifiers allowed before range"),
        ("1 + fill(0) foo", "filling in missing series only allowed between instant vectors"),
        ("a and fill(0) b", "filling in missing series not allowed for set operators"),
        ("a + fill(0) fill_left(1) b", 'unexpected identifier "fill_left"'),
        ("a + fill(b) b", 'unexpected identifier "b" in fill modifier, expected number'),
        ("1 </ 2", 'operator "</" not allowed for Scalar operations'),
        ("info(a, b)", "expected label selectors only, got vector selector instead"),
        ("info(a, 1)", 'expected label selectors as the second argument to "info" function'),
        ("é{}[5m] + ", "1:1: parse error: unexpected character: 'é'"),
        ("foo{a='é'} nope", '1:13: parse error: unexpected identifier "nope"'),
        ("holt_winters(a[1m], 1, 1)", "it is called double_exponential_smoothing now"),
        ("1e999", "out of range"),
        ("0" + "7" * 5000, "out of range"),
        ("0x" + "f" * 5000, "out of range"),
        ("0x1p9999", "out of range"),
        ("1" * 5000, "out of range"),
        ("1" * 5000 + "y", "out of range"),
        ("foo[999999999999y]", "duration out of range"),
        ("rate(foo) bar $", '1:11: parse error: unexpected identifier "bar"'),
        ("none(foo bar)", '1:10: parse error: unexpected identifier "bar"'),
        ("sum(abs(foo bar))", '1:13: parse error: unexpected identifier "bar" in aggregation'),
        ("foo{a=='b'}", '1:7: parse error: unexpected "=" in label matching, expected string'),
        ("foo{{a='b'}}", "1:5: parse error: unexpected left brace '{'"),
        ("foo =~ 'x'", "1:5: parse error: unexpected character after '=': '~'"),
        ("foo by (a)", "1:5: parse error: unexpected <by>"),
        ("sum(a b", '1:7: parse error: unexpected identifier "b" in aggregation'),
        ("0rate5", '1:1: parse error: bad number or duration syntax: "0"'),
        ("foo[5m1h]", '1:5: parse error: not a valid duration string: "5m1h"'),
        ("foo[5y1hs]", 'unknown unit "hs" in duration "5y1hs"'),
        ("'\\x.'", "illegal character U+002E '.' in escape sequence"),
        ("foo 'a long string'", """1:5: parse error: unexpected string "'a long st"..."""),
        ("foo offset (5m", "1:15: parse error: unclosed left parenthesis"),
        ("foo[5m+]", 'unexpected "]" in subquery selector, expected number or duration'),
    ],
)
def test_errors_say_what_and_where(query: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(query)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "foo[5m] anchored offset 1m @ 5.000",
        "foo smoothed @ start()",
        "a + on (x) group_left (y) fill_left (0) fill_right (-1) b",
        "a / ignoring () fill_left (NaN) b",
        'info(a, {x=~".*"})',
        "a </ 5 >/ b",
        'histogram_quantiles(a, "q", 0.5, 0.9)',
    ],
)
def test_what_is_new_in_3_x_round_trips(query: str) -> None:
    assert parse(str(parse(query))) == parse(query)


def test_fill_is_both_sides_and_only_a_call_is_a_modifier() -> None:
    assert parse("a + fill(5) b") == parse("a + fill_right(5) fill_left(5) b")
    assert str(parse("a + fill")) == "a + fill"


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 5000 + "foo",
        "(1+" * 5000 + "1" + ")" * 5000,
        "1^" * 5000 + "1",
        "foo[" + "(" * 5000 + "5m" + ")" * 5000 + "]",
        "foo offset " + "-" * 5000 + "5m",
        "foo[5m" + "+5m" * 5000 + "]",
        "sum(" * 5000 + "foo" + ")" * 5000,
        "foo" + "[5m:]" * 5000,
        "x" * (MAX_QUERY_CHARACTERS + 1),
    ],
    ids=lambda query: query[:12],
)
def test_queries_too_deep_or_too_long_are_refused(query: str) -> None:
    with pytest.raises(ParseError):
        parse(query)


def test_a_query_just_deep_enough_is_accepted() -> None:
    inner = MAX_DEPTH - 1
    assert len(selectors("(" * inner + "foo" + ")" * inner)) == 1


def test_operators_in_a_row_are_no_depth() -> None:
    query = " or ".join(f"foo{{a='{number}'}}" for number in range(4_000))
    assert len(selectors(query)) == 4_000
    assert str(parse(query)).count(" or ") == 3_999


def test_precedence() -> None:
    tree = parse("1 + 2 * 3 ^ 4 ^ 5 - 6")
    assert str(tree) == "1 + 2 * 3 ^ 4 ^ 5 - 6"
    assert isinstance(tree, Binary)
    assert (tree.op, tree.right) == ("-", NumberLiteral(6.0))
    assert parse("-2 ^ 2") != parse("(-2) ^ 2")


def test_numbers() -> None:
    assert parse("0x1p-2") == NumberLiteral(0.25)
    assert parse("-NaN") == parse("nan")
    values = {
        "0x1F": 31,
        "017": 15,
        "08": 8,
        "1_000": 1000,
        ".5": 0.5,
        "1e3": 1000,
        "5m": 300,
        "0x1p-2": 0.25,
    }
    for text, value in values.items():
        assert parse(text) == NumberLiteral(float(value))


def test_duration_expressions_round_trip() -> None:
    query = "foo[5m + step() * 2:max(1m, 30)] offset (-(1h / 2))"
    tree = parse(query)
    assert parse(str(tree)) == tree
    assert isinstance(tree, Subquery)
    assert parse("foo[2:1]") == parse("foo[2s:1s]")
    assert isinstance(parse("foo offset 5"), VectorSelector)
    assert parse("foo offset 5").offset == DurationLiteral(5000)  # type: ignore[union-attr]


def test_selectors_come_in_the_order_of_the_text() -> None:
    found = selectors('a{x="1"} / on (y) sum(rate(b[5m])) or max_over_time(c[1h:]) > scalar(d)')
    assert [str(node) for node in found] == ['a{x="1"}', "b", "c", "d"]


def test_what_only_chooses_labels_is_no_selector() -> None:
    found = selectors('info(up, {x=~".+"}) + down')
    assert [str(each) for each in found] == ["up", "down"]
