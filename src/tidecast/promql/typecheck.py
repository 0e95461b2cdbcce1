"""What the types of a query must satisfy before it is evaluated."""

from __future__ import annotations

from tidecast.promql.errors import ParseError
from tidecast.promql.functions import (
    AGGREGATION_PARAMETERS,
    RENAMED,
    SIGNATURES,
    Signature,
)
from tidecast.promql.lexer import Token
from tidecast.promql.tree import Aggregation, Binary, Call, Node, Unary, ValueType, VectorSelector

COMPARISONS = frozenset(("==", "!=", "<=", "<", ">=", ">"))
SET_OPERATORS = frozenset(("and", "or", "unless"))
TRIMS = frozenset(("</", ">/"))
_OPERANDS = (ValueType.SCALAR, ValueType.VECTOR)


def signature_of(query: str, name: Token) -> Signature:
    """The signature of the function of this name; raises `ParseError` where there is none."""
    signature = SIGNATURES.get(name.text)
    if signature is not None:
        return signature
    reason = f'unknown function with name "{name.text}"'
    if name.text in RENAMED:
        reason += f", it is called {RENAMED[name.text]} now"
    raise ParseError(query, name.start, reason)


def check_call(query: str, node: Call, signature: Signature) -> None:
    """Raises `ParseError` unless the arguments are those of the signature."""
    given = len(node.arguments)
    fewest, most = signature.fewest, signature.most
    if given < fewest or (most is not None and given > most):
        bound = ""
        if fewest != most:
            bound = "at least " if given < fewest else "at most "
        wanted = fewest if given < fewest else most
        reason = f'expected {bound}{wanted} argument(s) in call to "{node.function}", got {given}'
        raise ParseError(query, node.span.start, reason)
    if node.function == "info" and given == 2:
        _check_info(query, node.arguments[1])
    for index, argument in enumerate(node.arguments):
        context = f'call to function "{node.function}"'
        _expect(query, argument, signature.argument_type(index), context)


def _check_info(query: str, selector: Node) -> None:
    if not isinstance(selector, VectorSelector):
        reason = (
            'expected label selectors as the second argument to "info" function, '
            f"got {selector.type.value}"
        )
        raise ParseError(query, selector.span.start, reason)
    if selector.name is not None:
        reason = "expected label selectors only, got vector selector instead"
        raise ParseError(query, selector.span.start, reason)


def check_unary(query: str, node: Unary) -> None:
    """Raises `ParseError` unless the operand can carry a sign."""
    if node.expression.type not in _OPERANDS:
        reason = (
            "unary expression only allowed on expressions of type scalar or instant vector, "
            f'got "{node.expression.type.value}"'
        )
        raise ParseError(query, node.span.start, reason)


def check_aggregation(query: str, node: Aggregation) -> None:
    """Raises `ParseError` unless expression and parameter have the types of the operator."""
    _expect(query, node.expression, ValueType.VECTOR, "aggregation expression")
    if node.parameter is not None:
        _expect(query, node.parameter, AGGREGATION_PARAMETERS[node.op], "aggregation parameter")


def binary_type(op: str, left: Node, right: Node) -> ValueType:
    """The type of the operation's result."""
    scalar = left.type is right.type is ValueType.SCALAR and op not in SET_OPERATORS
    return ValueType.SCALAR if scalar else ValueType.VECTOR


def check_binary(query: str, node: Binary, operator_at: int) -> None:
    """Raises `ParseError` unless operator, operands and modifiers go together."""
    if node.return_bool and node.op not in COMPARISONS:
        raise ParseError(
            query, operator_at, "bool modifier can only be used on comparison operators"
        )
    for side in (node.left, node.right):
        if side.type not in _OPERANDS:
            raise ParseError(
                query,
                side.span.start,
                "binary expression must contain only scalar and instant vector types",
            )
    if node.op in TRIMS and node.left.type is node.right.type is ValueType.SCALAR:
        reason = f'operator "{node.op}" not allowed for Scalar operations'
        raise ParseError(query, operator_at, reason)
    scalars = [side.type for side in (node.left, node.right)].count(ValueType.SCALAR)
    if node.op in COMPARISONS and scalars == 2 and not node.return_bool:
        raise ParseError(query, operator_at, "comparisons between scalars must use BOOL modifier")
    _check_matching(query, node, operator_at, scalars)
    if node.op in SET_OPERATORS and scalars:
        reason = f'set operator "{node.op}" not allowed in binary scalar expression'
        raise ParseError(query, node.span.start, reason)


def _check_matching(query: str, node: Binary, operator_at: int, scalars: int) -> None:
    matching = node.matching
    if matching is None:
        return
    if scalars and matching.labels:
        raise ParseError(
            query, node.span.start, "vector matching only allowed between instant vectors"
        )
    if matching.fills and scalars:
        reason = "filling in missing series only allowed between instant vectors"
        raise ParseError(query, node.span.start, reason)
    if matching.fills and node.op in SET_OPERATORS:
        reason = "filling in missing series not allowed for set operators"
        raise ParseError(query, node.span.start, reason)
    if node.op in SET_OPERATORS and matching.group:
        raise ParseError(query, node.span.start, f'no grouping allowed for "{node.op}" operation')
    both = set(matching.labels) & set(matching.include) if matching.on else set()
    if both:
        raise ParseError(
            query,
            operator_at,
            f'label "{min(both)}" must not occur in ON and GROUP clause at once',
        )


def _expect(query: str, node: Node, wanted: ValueType, context: str) -> None:
    if node.type is not wanted:
        reason = f"expected type {wanted.value} in {context}, got {node.type.value}"
        raise ParseError(query, node.span.start, reason)
