"""What a query can be refused for.

Prometheus' API calls the first two `bad_data` (400), QueryError and LimitExceeded
`execution` (422), QueryTimeout `timeout` (503), QueryCancelled `canceled` (499).

InvalidInput
├── ParseError       the text is not PromQL, or its types do not fit; says line and column
├── InvalidRange     the times asked for make no sense, or are too many
└── QueryError       the data does not allow the operation (e.g. many-to-many matching)
TidecastError
├── QueryTimeout     the query took longer than it was given
├── QueryCancelled   nobody waits for the answer any more
├── TooCostlyHere    the query is to be answered where it delays nothing else
└── LimitExceeded    (of the samples room) too many series, samples or points
"""

from __future__ import annotations

from tidecast_collector.errors import InvalidInput, TidecastError


class ParseError(InvalidInput):
    """A query that is refused before it is evaluated: `1:5: parse error: ...`."""

    def __init__(self, query: str, position: int, reason: str) -> None:
        self.reason = reason
        self.line, self.column = line_and_column(query, position)
        super().__init__(f"{self.line}:{self.column}: parse error: {reason}")
        self._made_of = query, position, reason

    def __reduce__(self) -> tuple[type[ParseError], tuple[str, int, str]]:
        return ParseError, self._made_of


class InvalidRange(InvalidInput):
    """Times that a query cannot be asked for."""


class QueryError(InvalidInput):
    """A query that parses and cannot be answered from the data it met."""


class QueryTimeout(TidecastError):
    """A query that was stopped because its time was up."""


class QueryCancelled(TidecastError):
    """A query that was stopped because nobody waits for its answer."""


def line_and_column(query: str, position: int) -> tuple[int, int]:
    """The line and column, both from 1, of a character offset; columns count bytes of UTF-8."""
    before = query[:position]
    line = before[before.rfind("\n") + 1 :]
    return before.count("\n") + 1, len(line.encode(errors="surrogatepass")) + 1


class TooCostlyHere(TidecastError):
    """A query that costs more than was allowed where it was asked; elsewhere it may be answered."""
