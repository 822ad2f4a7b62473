"""MARC21-xml and SRU answers in few words, for tests and the stand-in."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

MARC = "http://www.loc.gov/MARC21/slim"
SRW = "http://www.loc.gov/zing/srw/"
LEADER = "00000nam a2200000 c 4500"


def field(tag: str, *subfields: str, ind: str = "  ") -> str:
    """`field("245", "a Titel", "b Untertitel", ind="10")`: the first letter is the code of the subfield."""
    inner = "".join(f"<subfield code={quoteattr(text[0])}>{escape(text[2:])}</subfield>" for text in subfields)
    return f"<datafield tag={quoteattr(tag)} ind1={quoteattr(ind[0])} ind2={quoteattr(ind[1])}>{inner}</datafield>"


def control(tag: str, text: str) -> str:
    return f"<controlfield tag={quoteattr(tag)}>{escape(text)}</controlfield>"


def record(*fields: str, leader: str | None = LEADER, namespace: str | None = MARC) -> str:
    start = f"<record xmlns={quoteattr(namespace)}>" if namespace else "<record>"
    top = f"<leader>{escape(leader)}</leader>" if leader is not None else ""
    return start + top + "".join(fields) + "</record>"


def sru(*records: str, number: int | None = None, prefix: str = "") -> bytes:
    """A searchRetrieveResponse; with a prefix as K10plus writes it."""
    p = f"{prefix}:" if prefix else ""
    xmlns = f"xmlns:{prefix}" if prefix else "xmlns"
    inner = "".join(
        f"<{p}record><{p}recordSchema>MARC21-xml</{p}recordSchema><{p}recordPacking>xml</{p}recordPacking>"
        f"<{p}recordData>{text}</{p}recordData></{p}record>"
        for text in records
    )
    count = len(records) if number is None else number
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{p}searchRetrieveResponse {xmlns}="{SRW}"><{p}version>1.1</{p}version>'
        f"<{p}numberOfRecords>{count}</{p}numberOfRecords><{p}records>{inner}</{p}records></{p}searchRetrieveResponse>"
    ).encode()


def diagnostic(message: str) -> bytes:
    """How DNB says that something went wrong, with status 200."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<searchRetrieveResponse xmlns="{SRW}"><version>1.1</version>'
        f'<diagnostics><d:diagnostic xmlns:d="{SRW}diagnostic/"><d:uri>info:srw/diagnostic/1/1</d:uri>'
        f"<d:message>{escape(message)}</d:message></d:diagnostic></diagnostics></searchRetrieveResponse>"
    ).encode()
