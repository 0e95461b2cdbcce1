"""Reading the mappings of SLO documents: keys, texts and numbers; faults are noted in place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidecast_alerts.slo.model import Doubt
from tidecast_alerts.yaml_nodes import Field

T = TypeVar("T")

MAX_DESCRIPTION = 1050
MAX_TITLE = 63
_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.|/\\]{0,253}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_LABEL_KEY = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?", re.ASCII)
_DOMAIN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_ANNOTATION_KEY = re.compile(rf"({_DOMAIN}(\.{_DOMAIN})*/)?{_LABEL_KEY.pattern}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keys:
    """One mapping and its values by key; what is missing is noted at the mapping."""

    body: Field
    fields: Mapping[str, Field]
    doubts: list[Doubt]

    @staticmethod
    def of(
        body: Field, known: Collection[str], doubts: list[Doubt], required: Sequence[str] = ()
    ) -> Keys:
        """The values of a mapping that may have these keys and must have the `required` ones.

        A key without a value is as if it were not there.
        """
        given = body.mapping(known) if body.is_mapping else {}
        if not body.is_mapping:
            body.wrong(f"{body.key or 'this'}: expected a mapping")
        fields = {key: value for key, value in given.items() if not value.is_null}
        missing = [key for key in required if key not in fields]
        if missing and body.is_mapping:
            body.wrong(f"{body.key or 'this'} lacks {', '.join(missing)}")
        return Keys(body, fields, doubts)

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def inner(self, key: str, known: Collection[str], required: Sequence[str] = ()) -> Keys | None:
        """The mapping under the key; None where there is none."""
        found = self.fields.get(key)
        return None if found is None else Keys.of(found, known, self.doubts, required)

    def read(self, key: str, reader: Callable[[str], T], otherwise: T) -> T:
        """What the reader makes of the text there."""
        found = self.fields.get(key)
        return otherwise if found is None else found.read(reader, otherwise)

    def text(self, key: str, otherwise: str = "") -> str:
        """The text there."""
        return self.read(key, str, otherwise)

    def told(self, key: str) -> str:
        """The text there, which must not be empty."""
        text = self.text(key)
        if key in self.fields and not text:
            self.fields[key].wrong(f"{key} must not be empty")
        return text

    def texts(self, key: str) -> dict[str, str]:
        """The texts by name under the key."""
        found = self.fields.get(key)
        return {k: v.text() for k, v in found.mapping(None).items()} if found else {}

    def items(self, key: str) -> Sequence[Field]:
        """The elements of the list there."""
        found = self.fields.get(key)
        return found.items() if found else ()

    def flag(self, key: str, otherwise: bool = False) -> bool:
        """The truth there."""
        return self.read(key, truth, otherwise)

    def description(self) -> str:
        """The description, which is limited."""
        return self.read("description", at_most(MAX_DESCRIPTION), "")

    def reference(self, key: str) -> str:
        """The name of another object there; upper case in it is doubtful."""
        found = self.fields.get(key)
        return read_name(found, self.doubts) if found else ""

    def one_of(self, keys: Sequence[str], needed: bool = True) -> str:
        """Which one of the keys is there; "" after noting that there is none, or more than one."""
        there = [key for key in keys if key in self.fields]
        if len(there) > 1:
            self.fields[there[1]].wrong(f"only one of {', '.join(keys)} may be given")
        elif not there and needed:
            self.body.wrong(f"one of {', '.join(keys)} must be given")
        return there[0] if len(there) == 1 else ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who an object is."""

    name: str = ""
    title: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


def read_metadata(keys: Keys) -> Metadata:
    """The `metadata` of an OpenSLO object."""
    inner = keys.inner("metadata", {"name", "displayName", "labels", "annotations"}, ("name",))
    if inner is None:
        return Metadata()
    name = read_name(inner.fields["name"], keys.doubts) if "name" in inner else ""
    title = inner.read("displayName", at_most(MAX_TITLE), "")
    return Metadata(name, title, _labels(inner), _annotations(inner))


def read_name(found: Field, doubts: list[Doubt]) -> str:
    """A name: an RFC 1123 label.

    What the specification encourages beyond that (255 characters, '.', '|', '/' and '\\'), and the
    upper case that its examples have, is a doubt.
    """
    name = found.text()
    if not _NAME.fullmatch(name):
        found.wrong(
            f"{found.key or 'name'}: {name!r} is no name; use lower-case letters, digits and '-', "
            "at most 63 of them"
        )
    elif not _PLAIN_NAME.fullmatch(name):
        doubts.append(
            Doubt(
                where(found),
                f"{name!r}: other tools take only names of lower-case letters, digits and '-', "
                "at most 63 of them",
            )
        )
    return name


def where(found: Field) -> str:
    """`file:line:column` of the node."""
    return f"{found.problems.filename}:{found.line}:{found.column}"


def _labels(keys: Keys) -> dict[str, str]:
    found = keys.fields.get("labels")
    labels = {}
    for key, value in found.mapping(None).items() if found else ():
        if not _LABEL_KEY.fullmatch(key):
            value.wrong(f"{key!r} is no label name; use letters, digits, '-', '_' and '.'")
        texts = [item.text() for item in value.items()] if value.is_list else [value.text()]
        labels[key] = ",".join(texts)
    return labels


def _annotations(keys: Keys) -> dict[str, str]:
    found = keys.fields.get("annotations")
    for key, value in found.mapping(None).items() if found else ():
        if not _ANNOTATION_KEY.fullmatch(key):
            value.wrong(f"{key!r} is no annotation name; write it as in example.org/name")
    return keys.texts("annotations")


def at_most(limit: int) -> Callable[[str], str]:
    """Reads a text of at most so many characters."""

    def read(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"{len(text)} characters; at most {limit} are allowed")
        return text

    return read


def truth(text: str) -> bool:
    """True or false; raises `ValueError`."""
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def finite(text: str) -> float:
    """A finite number; raises `ValueError`."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is no number")
    return found


def share(text: str) -> float:
    """A target from 0 to below 1; raises `ValueError`."""
    found = finite(text)
    if not 0 <= found < 1:
        raise ValueError(f"{text} is not in [0, 1): a target of all leaves no budget")
    return found


def percent(text: str) -> float:
    """A target from 0 to below 100 %, as a ratio; raises `ValueError`."""
    found = finite(text)
    if not 0 <= found < 100:
        raise ValueError(f"{text} is not in [0, 100): a target of all leaves no budget")
    # Through decimal digits: 99.9 / 100 is not 0.999 in binary.
    return round(found / 100, 14)
