"""The functions of classic histograms, from their arguments to their annotations."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tidecast.promql.block import SAME_LABELSET, Block, concatenate, empty_block, merge_equal
from tidecast.promql.errors import QueryError
from tidecast.promql.evaluates import Evaluates
from tidecast.promql.histograms import (
    HistogramNotes,
    Mending,
    fraction_of,
    over_buckets,
    quantile_of,
)
from tidecast.promql.numbers import format_short, format_value
from tidecast.promql.tree import Call, Node
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import make_labels

_FUNCTIONS_URL = "https://prometheus.io/docs/prometheus/latest/querying/functions"


def quantile(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    """histogram_quantile: the value below which this share of the observations lies."""
    asked, buckets = node.arguments
    quantiles = evaluator.scalar(asked, times)
    evaluator.note_quantiles(quantiles, asked)
    block = evaluator.vector(buckets, times)
    found = over_buckets(block, quantile_of(quantiles), evaluator.context.check_time, mend=True)
    _tell(evaluator, found.notes, buckets, times)
    return found.block


def quantiles(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    """histogram_quantiles: each quantile under a label that says which it is."""
    buckets, label_node, *asked = node.arguments
    label = evaluator.string(label_node)
    if not label:
        raise QueryError('invalid label name "" in histogram_quantiles()')
    block = evaluator.vector(buckets, times)
    parts = [empty_block(len(times))]
    for each in asked:
        wanted = evaluator.scalar(each, times)
        evaluator.note_quantiles(wanted, each)
        tick = evaluator.context.check_time
        found = over_buckets(block, quantile_of(wanted), tick, mend=True)
        _tell(evaluator, found.notes, buckets, times)
        parts += _labelled(found.block, label, wanted)
    return merge_equal(concatenate(*parts), SAME_LABELSET)


def _labelled(block: Block, label: str, wanted: Float64s) -> list[Block]:
    """The block for each distinct quantile, at its steps, under its label."""
    parts = []
    for bits in np.unique(wanted.view(np.int64)):
        at_steps = wanted.view(np.int64) == bits
        text = _quantile_text(float(bits.view(np.float64)))
        labels = [make_labels(dict(each) | {label: text}) for each in block.labels]
        present = block.present & at_steps
        parts.append(Block(labels, block.values, present, block.drop_name).with_present(present))
    return parts


def _quantile_text(value: float) -> str:
    """As OpenMetrics writes a float: whole numbers with a decimal."""
    text = format_value(value)
    return text if "." in text or text[-1] in "fN" else f"{text}.0"


def fraction(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    """histogram_fraction: the share of the observations between two bounds."""
    *bounds, buckets = node.arguments
    lower, upper = (evaluator.scalar(each, times) for each in bounds)
    block = evaluator.vector(buckets, times)
    tick = evaluator.context.check_time
    found = over_buckets(block, fraction_of(lower, upper), tick, mend=False)
    _tell(evaluator, found.notes, buckets, times)
    return found.block


def _tell(evaluator: Evaluates, notes: HistogramNotes, buckets: Node, times: Int64s) -> None:
    context = evaluator.context
    for name, bound in notes.malformed:
        text = f'bucket label "le" is missing or has a malformed value of "{bound}"'
        context.warn(text + _of_metric(name), buckets.span)
    for name, mending in sorted(notes.mended.items()):
        text = (
            "input to histogram_quantile needed to be fixed for monotonicity "
            f"(see {_FUNCTIONS_URL}/#histogram_quantile){_of_metric(name)}"
        )
        context.inform(text + _extent(mending, times), buckets.span)


def _of_metric(name: str) -> str:
    return f' for metric name "{name}"' if name else ""


def _extent(mending: Mending, times: Int64s) -> str:
    lowest, highest = format_short(mending.lowest_bound), format_short(mending.highest_bound)
    return (
        f", from buckets {lowest} to {highest}, "
        f"with a max diff of {mending.greatest_lift:.2g}, over {mending.samples} samples "
        f"from {_moment(int(times[mending.first_step]))} "
        f"to {_moment(int(times[mending.last_step]))}"
    )


def _moment(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
