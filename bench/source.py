"""A source on this machine that knows every ISBN and takes its time: `python -m bench.source PORT` answers like DNB, after half a
second to three."""

from __future__ import annotations

import asyncio
import random
import re
import sys

LEAST_S, MOST_S = 0.5, 3.0
RECORD = """<?xml version="1.0" encoding="UTF-8"?>
<searchRetrieveResponse xmlns="http://www.loc.gov/zing/srw/"><version>1.1</version><numberOfRecords>1</numberOfRecords><records>
<record><recordSchema>MARC21-xml</recordSchema><recordPacking>xml</recordPacking><recordData>
<record xmlns="http://www.loc.gov/MARC21/slim" type="Bibliographic"><leader>00000nam a2200000 c 4500</leader>
<controlfield tag="001">{number}</controlfield><controlfield tag="003">DE-101</controlfield>
<datafield tag="020" ind1=" " ind2=" "><subfield code="a">{isbn}</subfield></datafield>
<datafield tag="041" ind1=" " ind2=" "><subfield code="a">ger</subfield></datafield>
<datafield tag="100" ind1="1" ind2=" "><subfield code="a">Person 1</subfield><subfield code="4">aut</subfield></datafield>
<datafield tag="245" ind1="1" ind2="0"><subfield code="a">Buch {number}</subfield></datafield>
<datafield tag="264" ind1=" " ind2="1"><subfield code="b">Verlag 1</subfield><subfield code="c">2020</subfield></datafield>
<datafield tag="300" ind1=" " ind2=" "><subfield code="a">200 S.</subfield></datafield>
<datafield tag="338" ind1=" " ind2=" "><subfield code="b">nc</subfield></datafield>
</record></recordData></record></records></searchRetrieveResponse>"""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, one question after the other."""
    try:
        while asked := await reader.readline():
            while await reader.readline() != b"\r\n":
                pass
            if asked.startswith(b"GET /dnb"):
                await asyncio.sleep(random.uniform(LEAST_S, MOST_S))
            writer.write(_page(asked))
            await writer.drain()
    except ConnectionError:
        pass  # whoever asked has heard enough
    finally:
        writer.close()


def _page(asked: bytes) -> bytes:
    found = re.search(rb"\d{13}", asked)
    isbn = found.group().decode() if found else ""
    body = RECORD.format(isbn=isbn, number=isbn[3:]).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(port: int) -> None:
    """Until the process ends."""
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
