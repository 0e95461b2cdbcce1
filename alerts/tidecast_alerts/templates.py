"""Alert labels and annotations written as templates, expanded on an alert's data.

A template is read once (`Template.read`, which finds what is wrong in it) and expanded at each
evaluation. What cannot be expanded becomes Prometheus' own text, so that the alert is still told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidecast_alerts.go_format import to_text
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.template_functions import (
    FUNCTIONS,
    MAX_TEXT_CHARACTERS,
    SPECIAL,
    ExpansionFailed,
    Query,
    truth,
)
from tidecast_alerts.template_syntax import (
    Assign,
    Block,
    Dot,
    Fields,
    Function,
    Literal,
    Node,
    Operand,
    Output,
    Pipeline,
    Text,
    Variable,
    read_template,
)
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels

MAX_STEPS = 100_000


def _no_query(expression: str) -> Sequence[VectorSample]:
    raise ExpansionFailed(f"no PromQL to ask {expression!r}")


@dataclass(frozen=True, slots=True)
class TemplateData:
    """What a template may speak of: the sample that breached, and the place it is told from."""

    labels: Labels
    value: float
    external_labels: Labels = ()
    external_url: str = ""
    query: Query = _no_query


@dataclass(frozen=True, slots=True)
class Template:
    """A template as written, and as read."""

    text: str
    nodes: tuple[Node, ...] = field(repr=False)

    @staticmethod
    def read(text: str) -> Template:
        """The template of this text; raises `InvalidTemplate`."""
        return Template(text, read_template(text, FUNCTIONS.keys() | SPECIAL))

    @property
    def is_plain(self) -> bool:
        """Whether it is text without any action."""
        return all(isinstance(node, Text) for node in self.nodes)

    def expand(self, data: TemplateData) -> str:
        """The text on this data; raises `ExpansionFailed`, or what the query raised.

        >>> data = TemplateData((("instance", "web-3"),), 0.931)
        >>> Template.read("{{ $labels.instance }}: {{ $value | humanizePercentage }}").expand(data)
        'web-3: 93.1%'
        """
        return _Expander(data).expand(self.nodes)

    def expand_or_explain(self, data: TemplateData, alert: str) -> str:
        """The text, or Prometheus' words for why there is none."""
        try:
            return self.expand(data)
        except TidecastError as error:
            return f"<error expanding template: error executing template __alert_{alert}: {error}>"


class _Expander:
    """Walks the nodes of one template once."""

    def __init__(self, data: TemplateData) -> None:
        root: dict[str, Any] = {
            "Labels": dict(data.labels),
            "ExternalLabels": dict(data.external_labels),
            "ExternalURL": data.external_url,
            "Value": data.value,
        }
        self._query = data.query
        self._scopes: list[dict[str, Any]] = [
            {
                "$": root,
                "$labels": root["Labels"],
                "$externalLabels": root["ExternalLabels"],
                "$externalURL": root["ExternalURL"],
                "$value": root["Value"],
            }
        ]
        self._root = root
        self._written: list[str] = []
        self._length = 0
        self._steps = 0

    def expand(self, nodes: Sequence[Node]) -> str:
        self._run(nodes, self._root)
        return "".join(self._written)

    def _run(self, nodes: Sequence[Node], dot: Any) -> None:
        for node in nodes:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise ExpansionFailed(f"more than {MAX_STEPS} steps")
            if isinstance(node, Text):
                self._write(node.text)
            elif isinstance(node, Output):
                self._write(to_text(self._pipeline(node.pipeline, dot)))
            elif isinstance(node, Assign):
                self._assign(node, self._pipeline(node.pipeline, dot))
            else:
                self._block(node, dot)

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_TEXT_CHARACTERS:
            raise ExpansionFailed(f"the text is longer than {MAX_TEXT_CHARACTERS} characters")
        self._written.append(text)

    def _assign(self, node: Assign, value: Any) -> None:
        holder = self._scopes[-1]
        if not node.declares:
            holder = next(scope for scope in reversed(self._scopes) if node.name in scope)
        holder[node.name] = value

    def _block(self, block: Block, dot: Any) -> None:
        value = self._pipeline(block.pipeline, dot)
        if block.kind == "range":
            self._range(block, value, dot)
            return
        chosen = truth(value)
        inner = value if chosen and block.kind == "with" else dot
        self._scoped(
            block.body if chosen else block.otherwise, inner, dict.fromkeys(block.names, value)
        )

    def _range(self, block: Block, value: Any, dot: Any) -> None:
        if isinstance(value, Mapping):
            pairs: list[tuple[Any, Any]] = sorted(value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pairs = list(enumerate(value))
        else:
            raise ExpansionFailed(f"range can't iterate over {to_text(value)}")
        for key, element in pairs:
            both = (key, element) if len(block.names) == 2 else (element,)
            self._scoped(block.body, element, dict(zip(block.names, both, strict=False)))
        if not pairs:
            self._scoped(block.otherwise, dot, {})

    def _scoped(self, nodes: Sequence[Node], dot: Any, variables: dict[str, Any]) -> None:
        self._scopes.append(variables)
        self._run(nodes, dot)
        self._scopes.pop()

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        piped: tuple[Any, ...] = ()
        for command in pipeline.commands:
            head = command[0]
            if isinstance(head, Function):
                piped = (self._call(head.name, command[1:], piped, dot),)
            else:
                piped = (self._value(head, dot),)
        return piped[0]

    def _call(
        self, name: str, operands: Sequence[Operand], piped: tuple[Any, ...], dot: Any
    ) -> Any:
        if name in {"and", "or"}:
            return self._logic(name, operands, piped, dot)
        arguments = [*(self._value(operand, dot) for operand in operands), *piped]
        if name == "query":
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                raise ExpansionFailed("query wants one expression")
            return list(self._query(arguments[0]))
        call = FUNCTIONS[name]
        if len(arguments) < call.least or (call.most is not None and len(arguments) > call.most):
            wanted = call.least if call.most == call.least else f"at least {call.least}"
            raise ExpansionFailed(
                f"wrong number of args for {name}: want {wanted} got {len(arguments)}"
            )
        try:
            return call.run(*arguments)
        except ExpansionFailed as error:
            raise ExpansionFailed(f"error calling {name}: {error}") from error

    def _logic(
        self, name: str, operands: Sequence[Operand], piped: tuple[Any, ...], dot: Any
    ) -> Any:
        if not operands and not piped:
            raise ExpansionFailed(f"wrong number of args for {name}: want at least 1 got 0")
        value: Any = None
        for operand in operands:
            value = self._value(operand, dot)
            if truth(value) == (name == "or"):
                return value
        return piped[0] if piped else value

    def _value(self, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Dot):
            return dot
        if isinstance(operand, Variable):
            return next(s[operand.name] for s in reversed(self._scopes) if operand.name in s)
        if isinstance(operand, Pipeline):
            return self._pipeline(operand, dot)
        if isinstance(operand, Function):
            return self._call(operand.name, (), (), dot)
        return self._field(operand, dot)

    def _field(self, operand: Fields, dot: Any) -> Any:
        value = self._value(operand.base, dot)
        for name in operand.names:
            if isinstance(value, VectorSample) and name in {"Labels", "Value"}:
                value = dict(value.labels) if name == "Labels" else value.value
            elif value is self._root and name not in self._root:
                raise ExpansionFailed(f"can't evaluate field {name}")
            elif isinstance(value, Mapping):
                # As in Prometheus, a label that is not there is empty.
                value = value.get(name, "")
            else:
                raise ExpansionFailed(f"can't evaluate field {name} in {to_text(value)}")
        return value
