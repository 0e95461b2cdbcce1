"""The functions and aggregations of PromQL, and their arguments."""

from __future__ import annotations

from dataclasses import dataclass

from tidecast.promql.tree import ValueType

S, V, M, T = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING
UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's arguments and result.

    `optional` says how many of the last arguments may be left out; UNLIMITED: the last one may be
    left out or repeated.
    """

    arguments: tuple[ValueType, ...]
    returns: ValueType = V
    optional: int = 0

    @property
    def fewest(self) -> int:
        """The smallest number of arguments."""
        return len(self.arguments) - (1 if self.optional == UNLIMITED else self.optional)

    @property
    def most(self) -> int | None:
        """The greatest number of arguments; None: any number."""
        return None if self.optional == UNLIMITED else len(self.arguments)

    def argument_type(self, index: int) -> ValueType:
        """The type of the argument at this place."""
        return self.arguments[min(index, len(self.arguments) - 1)]


MATHEMATICAL = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg",
    "exp",
    "floor",
    "ln",
    "log10",
    "log2",
    "rad",
    "sgn",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]
CALENDAR = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "year",
]
OF_NATIVE_HISTOGRAMS = [
    "histogram_avg",
    "histogram_count",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
]
"""They ignore float samples, and there are no others here: they give nothing."""
OVER_RANGE = [
    "absent_over_time",
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
]

SIGNATURES: dict[str, Signature] = {
    **{name: Signature((V,)) for name in MATHEMATICAL},
    **{name: Signature((V,), optional=1) for name in CALENDAR},
    **{name: Signature((V,)) for name in OF_NATIVE_HISTOGRAMS},
    **{name: Signature((M,)) for name in OVER_RANGE},
    "absent": Signature((V,)),
    "clamp": Signature((V, S, S)),
    "clamp_max": Signature((V, S)),
    "clamp_min": Signature((V, S)),
    "double_exponential_smoothing": Signature((M, S, S)),
    "end": Signature((), S),
    "histogram_fraction": Signature((S, S, V)),
    "histogram_quantile": Signature((S, V)),
    "histogram_quantiles": Signature((V, T, *[S] * 10), optional=9),
    "info": Signature((V, V), optional=1),
    "label_join": Signature((V, T, T, T), optional=UNLIMITED),
    "label_replace": Signature((V, T, T, T, T)),
    "max_of": Signature((S, S), S),
    "min_of": Signature((S, S), S),
    "pi": Signature((), S),
    "predict_linear": Signature((M, S)),
    "quantile_over_time": Signature((S, M)),
    "range": Signature((), S),
    "round": Signature((V, S), optional=1),
    "scalar": Signature((V,), S),
    "sort": Signature((V,)),
    "sort_by_label": Signature((V, T), optional=UNLIMITED),
    "sort_by_label_desc": Signature((V, T), optional=UNLIMITED),
    "sort_desc": Signature((V,)),
    "start": Signature((), S),
    "step": Signature((), S),
    "time": Signature((), S),
    "timestamp": Signature((V,)),
    "vector": Signature((S,)),
}

RENAMED = {"holt_winters": "double_exponential_smoothing"}
"""What functions of older versions are called now."""

AGGREGATIONS = frozenset(
    [
        "sum",
        "avg",
        "count",
        "min",
        "max",
        "group",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "count_values",
        "quantile",
        "limitk",
        "limit_ratio",
    ]
)
AGGREGATION_PARAMETERS = {
    "topk": S,
    "bottomk": S,
    "limitk": S,
    "limit_ratio": S,
    "quantile": S,
    "count_values": T,
}
