"""Answers of SRU servers (Library of Congress, SRU 1.1) that carry MARC21 as XML: DNB, K10plus, hbz.

Elements are matched by their local name, because servers differ in prefixes, and some leave MARC's namespace out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError

import msgspec

from bibliothek.lookup.loose import BadAnswer

if TYPE_CHECKING:
    from pymarc import Record

_LEADER_LENGTH = 24


class SruAnswer(msgspec.Struct, frozen=True):
    """How many records there are, those that came along, and what went wrong (an SRU diagnostic), if anything."""

    number: int
    records: tuple[Record, ...]


def read_sru(raw: bytes) -> SruAnswer:
    """An SRU answer. Raises BadAnswer for anything that is no XML, has a DTD, or is a diagnostic: an outage, not a miss."""
    root = parse_xml(raw)
    names = {local(element) for element in root.iter()}
    number = next((element.text for element in root.iter() if local(element) == "numberOfRecords"), None)
    if "diagnostics" in names:
        raise BadAnswer("diagnostic: " + " · ".join(_diagnostics(root))[:200])
    if number is None or not number.strip().isdecimal():
        raise BadAnswer("no numberOfRecords")
    return SruAnswer(int(number), tuple(marc_records(root)))


def parse_xml(raw: bytes) -> Element:
    """The tree of an XML document without DTD and entities. Raises BadAnswer."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(raw, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        # LookupError: an encoding nobody knows; ValueError: one that expat cannot use.
        raise BadAnswer(f"not XML: {type(error).__name__}") from error
    return root


def marc_records(root: Element) -> list[Record]:
    """The MARC records in a tree, whatever stands around them."""
    return [_record(element) for element in root.iter() if local(element) == "record" and _has_fields(element)]


def local(element: Element) -> str:
    """The name without namespace; "" for comments and processing instructions."""
    tag: Any = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _has_fields(element: Element) -> bool:
    return any(local(child) == "datafield" for child in element)


def _record(element: Element) -> Record:
    from pymarc import Record

    leader = next((child.text or "" for child in element if local(child) == "leader"), "")
    # Some servers write blanks of the leader as # or -, or leave signs out at its end.
    leader = leader.replace("#", " ").replace("-", " ")[:_LEADER_LENGTH].ljust(_LEADER_LENGTH)
    fields = (_field(child) for child in element if local(child) in ("controlfield", "datafield"))
    return Record(leader=leader, fields=[field for field in fields if field])


def _field(element: Element) -> Any:
    from pymarc import Field, Indicators, Subfield

    tag = element.get("tag", "")
    if len(tag) != 3:
        return None
    if local(element) == "controlfield":
        return Field(tag=tag, data=element.text or "") if tag < "010" else None
    indicators = Indicators(*((element.get(name) or " ")[0] for name in ("ind1", "ind2")))
    values = [
        Subfield(child.get("code", ""), child.text) for child in element if local(child) == "subfield" and child.text
    ]
    return Field(tag=tag, indicators=indicators, subfields=values) if tag >= "010" else None


def _diagnostics(root: Element) -> list[str]:
    return [" ".join(e.text.split()) for e in root.iter() if local(e) in ("details", "message") and e.text]
