"""The evaluator, as the functions that are called from it see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidecast.promql.block import Block
from tidecast.promql.context import Context
from tidecast.promql.tree import Node
from tidecast.promql.windows import Windows
from tidecast.samples.batch import Float64s, Int64s


class Evaluates(Protocol):
    """The evaluator, as functions see it."""

    context: Context

    def vector(self, node: Node, times: Int64s) -> Block: ...
    def scalar(self, node: Node, times: Int64s) -> Float64s: ...
    def string(self, node: Node) -> str: ...
    def over_windows(
        self, node: Node, times: Int64s, function: str, work: Callable[[Windows], Block]
    ) -> Block: ...
    def note_quantiles(self, quantiles: Float64s, node: Node) -> None: ...
