"""The page that the links of alerts lead to."""

from __future__ import annotations

import numpy as np

from tidecast.promql.engine import Engine
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast.web.expression_page import ROWS, Shown, answer
from tidecast_collector.labels import make_labels

AT_MS = 60_000


def asked(text: str) -> Shown:
    samples = MemorySamples()
    for number in range(ROWS + 2):
        labels = make_labels({"__name__": "up", "i": f"<{number:03}>"})
        samples.append(SampleBatch.of([(labels, np.array([1, AT_MS]), np.array([1.5, 0.25]))]))
    return answer(Engine(samples).instant, text, AT_MS)


def test_every_kind_of_value_is_shown() -> None:
    assert asked("1 / 4").rows == (("", "0.25"),)
    assert asked("'text'").rows == (("", "text"),)
    assert asked("sum(up) * 1e9").rows == (("{}", "1.255e+11"),)
    assert asked('up{i="<001>"}').rows == (('up{i="<001>"}', "0.25"),)
    assert asked('up{i="<001>"}[1m]').rows == (('up{i="<001>"}', "0.25 (2 samples)"),)
    assert asked("nothing") == Shown()


def test_no_more_rows_than_people_read() -> None:
    for text in ("up", "up[1m]"):
        shown = asked(text)
        assert (len(shown.rows), shown.all_rows) == (ROWS, ROWS + 2)


def test_what_was_wrong_is_told() -> None:
    assert asked("sum(").error == "1:5: parse error: unclosed left parenthesis"
    assert "between 0 and 1" in asked("quantile(2, up)").notes[0]
