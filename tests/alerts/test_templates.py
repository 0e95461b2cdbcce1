"""Alert templates against what Prometheus itself makes of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tidecast_alerts.go_format import sprintf
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.template_syntax import InvalidTemplate
from tidecast_alerts.templates import ExpansionFailed, Template, TemplateData

LABELS = (("__name__", "m"), ("device", "/dev/sda1"), ("instance", "web-3:9100"))
VALUES = (1234567.5, 100000000.0, 100000.0, 0.00001234, 0.931, 42.0, 93784.0, 1e15)

AS_PROMETHEUS = [
    "{{ $value }} {{ .Value }} {{ $labels.instance }} {{ .Labels.device }} [{{ $labels.nope }}]",
    '{{ printf "%v %.2f %.3g %8.1f|" $value $value $value $value }}',
    '{{ printf "%-8s|%8s|%q %5d|%05d|%x|%t|%.1s" "ab" "cd" "x" 7 7 255 true "xyz" }}',
    '{{ printf "%d %s" $value $value }} {{ printf "%d" 3 4 }} {{ "a" | printf "%s-%s" }}',
    '{{ printf "%+d %+.1f %e 100%%" 3 $value $value }}',
    "{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }}",
    "{{ $value | humanizePercentage }} {{ humanize `12345` }}",
    '{{ title "foo bar" }} {{ toUpper "foo" }} {{ "FOO" | toLower }}',
    '{{ reReplaceAll "(.*):(.*)" "host $1 port ${2}0" $labels.instance }}',
    '{{ reReplaceAll "x*" "-" "abc" }} {{ reReplaceAll "(?P<n>w)" "<$n>" "wow" }}',
    "{{ if gt $value 90.0 }}high{{ else if gt $value 1.0 }}middle{{ else }}low{{ end }}",
    "{{ if and (gt $value 1.0) (lt $value 100.0) }}between{{ end }}",
    "{{ if not $labels.nope }}!{{ end }}",
    '{{ or "" "b" }} {{ and 1 0 }} {{ eq "a" "b" "a" }} {{ ne 1 2 }} {{ ge 2 2 }} {{ le 3 2 }}',
    '{{ $x := 5 }}{{ if true }}{{ $x = 6 }}{{ $y := "in" }}{{ $y }}{{ end }}{{ $x }}',
    "a  {{- /* said */ -}}  b {{- $value | humanize -}} c\n {{ 3 -}}\n d",
    '{{ range query "m" | sortByLabel "a" }}{{ .Labels.a }}={{ .Value }};{{ end }}',
    '{{ with query "nope" }}x{{ else }}none{{ end }}',
    '{{ with query "m" | sortByLabel "a" }}{{ value (first .) }}{{ first . | label "a" }}{{ end }}',
    '{{ range $i, $s := query "m" | sortByLabel "a" }}{{ $i }}:{{ $s.Value | humanize }} {{ end }}',
    '{{ (query "m" | sortByLabel "a" | first).Value }} {{ len (query "m") }} {{ len "abc" }}',
    '{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }} {{ index $labels "device" }}',
    '{{ print "a" 1 }} {{ "tab\\t\\u00e9\\"" }} {{ $externalLabels.zone }}|{{ $labels }}',
    "{{ 1.0 }} {{ 1e3 }} {{ -2 }} {{ true }} {{ humanizeTimestamp 1.5 }}",
]


def _query(expression: str) -> list[VectorSample]:
    if expression != "m":
        return []
    return [VectorSample((("__name__", "m"), *LABELS[1:]), value) for value in VALUES]


def _ours(text: str, value: float, others: list[tuple[str, float]]) -> str:
    def query(expression: str) -> list[VectorSample]:
        if expression != "m":
            return []
        return [VectorSample((("__name__", "m"), ("a", a), *LABELS[1:]), v) for a, v in others]

    labels = (("__name__", "m"), ("a", dict((v, a) for a, v in others)[value]), *LABELS[1:])
    return Template.read(text).expand(TemplateData(labels, value, query=query))


def test_templates_expand_as_promtool_expands_them(tmp_path: Path) -> None:
    # promtool prints the annotations it got when a test expects none: that is the oracle.
    others = [(chr(ord("a") + i), value) for i, value in enumerate(VALUES)]
    annotations = {f"t{i}": text for i, text in enumerate(AS_PROMETHEUS)}
    rules = {
        "groups": [
            {"name": "g", "rules": [{"alert": "A", "expr": "m", "annotations": annotations}]}
        ]
    }
    series = [
        {
            "series": f'm{{a="{a}",device="/dev/sda1",instance="web-3:9100"}}',
            "values": f"{v!r}+0x3",
        }
        for a, v in others
    ]
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [{"eval_time": "2m", "alertname": "A"}],
            }
        ],
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    run = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    printed = run.stdout + run.stderr
    told = re.findall(r'Labels:\{(a="(\w)".*?)\}\s+Annotations:\{(.*)\}', printed)
    assert len(told) == len(VALUES), printed
    for _, a, text in told:
        theirs = dict(re.findall(r'(t\d+)=("(?:\\.|[^"\\])*")', text))
        for name, template in annotations.items():
            ours = _ours(template, dict(others)[a], others)
            assert ours == yaml.safe_load(theirs[name]), (template, a)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ $value", "line 1: '{{' has no '}}' after it"),
        ("a\n{{ $nope }}", "line 2: undefined variable $nope"),
        ("{{ nope 1 }}", "function 'nope' is not defined"),
        ("{{ if $value }}x", "{{if}} has no {{end}}"),
        ("x{{ end }}", "unexpected {{end}}"),
        ("{{ }}", "a value is missing"),
        ("{{ $value | 3 }}", "only a function can stand after '|'"),
        ("{{ $value 3 }}", "only a function takes arguments"),
        ('{{ "a\\z" }}', "unknown escape \\z"),
        ("{{ (1 }}", "'(' has no ')' after it"),
        ("{{ 1 ) }}", "unexpected ')'"),
        ('{{ template "x" }}', "not supported"),
        ("{{ # }}", "unexpected '#'"),
        ("{{ $x = 1 }}", "undefined variable $x"),
        ("{{ if 1 }}{{ $y := 1 }}{{ end }}{{ $y }}", "undefined variable $y"),
        ("{{ if true }}" * 60, "nested deeper than 50"),
        ("x" * 70_000, "at most 65536 are read"),
        ("{{ range $a, $b, $c := $labels }}{{ end }}", "at most an index and a value"),
        ('{{ "a""b" }}', "a space is missing"),
    ],
)
def test_a_template_that_cannot_be_read_says_where(text: str, problem: str) -> None:
    with pytest.raises(InvalidTemplate, match=re.escape(problem)):
        Template.read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ if gt $value 90 }}x{{ end }}", "error calling gt: incompatible types for comparison"),
        (
            '{{ query "nope" | first }}',
            "error calling first: first() called on vector with no elements",
        ),
        ("{{ humanize }}", "wrong number of args for humanize: want 1 got 0"),
        ('{{ humanize "x" }}', "'x' is not a number"),
        ("{{ humanizeTimestamp 1e30 }}", "beyond what a date can be"),
        ('{{ reReplaceAll "(" "" "x" }}', "invalid regular expression"),
        ("{{ .Nope }}", "can't evaluate field Nope"),
        ("{{ range 3 }}{{ end }}", "range can't iterate over 3"),
        ("{{ toUpper 3 }}", "expected a string, got 3"),
        ("{{ lt true false }}", "invalid type for comparison"),
        ("{{ value 3 }}", "expected a sample"),
        ("{{ index $labels 3 }}", "cannot index"),
        ('{{ printf "%999d" 1 | printf "%s%s" | len | and }}{{ or }}', "wrong number of args"),
        ("{{ $value.x }}", "can't evaluate field x"),
        ("{{ len 3 }}", "len of 3"),
        ("{{ first 3 }}", "first() wants the result of a query"),
        ("{{ eq $labels 1 }}", "invalid type for comparison"),
        (
            "{{ range $labels }}" * 9 + "x" * 9000 + "{{ end }}" * 9,
            "the text is longer",
        ),
    ],
)
def test_a_template_that_cannot_be_carried_out_says_why_in_the_annotation(
    text: str, problem: str
) -> None:
    data = TemplateData(LABELS, 0.5, query=_query)
    shown = Template.read(text).expand_or_explain(data, "Disk")
    assert shown.startswith("<error expanding template: error executing template __alert_Disk: ")
    assert problem in shown


def test_a_query_needs_somebody_to_ask() -> None:
    with pytest.raises(ExpansionFailed, match="no PromQL"):
        Template.read('{{ query "m" }}').expand(TemplateData(LABELS, 1.0))


def test_special_numbers_are_written_as_go_writes_them() -> None:
    text = Template.read("{{ $value }} {{ humanize $value }} {{ humanizeDuration $value }}")
    for value, shown in [(float("nan"), "NaN"), (float("inf"), "+Inf"), (-float("inf"), "-Inf")]:
        assert text.expand(TemplateData((), value)) == f"{shown} {shown} {shown}"
    assert text.expand(TemplateData((), 0.0)) == "0 0 0s"
    # -3725 s = -(1 h 2 min 5 s)
    assert text.expand(TemplateData((), -3725.0)) == "-3725 -3.725k -1h 2m 5s"


@given(st.text(max_size=200))
def test_text_without_actions_stands_as_it_is(text: str) -> None:
    if "{{" not in text:
        template = Template.read(text)
        assert template.is_plain
        assert template.expand(TemplateData((), 1.0)) == text


@given(st.text(alphabet='{}-$.|"()= \n`abif01range', max_size=60))
def test_hostile_templates_are_refused_or_expanded(text: str) -> None:
    try:
        template = Template.read("{{" + text)
    except InvalidTemplate:
        return
    assert isinstance(template.expand_or_explain(TemplateData(LABELS, 1.0), "A"), str)


@given(st.text(max_size=40), st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none())))
def test_printf_takes_any_pattern(pattern: str, values: list[object]) -> None:
    assert isinstance(sprintf(pattern, values), str)
