"""MARC21 to our fields, row by row of the table, then on the real records beside the checkout."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pymarc
import pytest

from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.rules import checked, checked_origin
from bibliothek.lookup.loose import BadAnswer
from bibliothek.lookup.marc import record_of
from bibliothek.lookup.record import Record
from bibliothek.lookup.sru import read_sru
from tests.lookup.marcxml import LEADER, control, diagnostic, field, record, sru

FIXTURES = Path(__file__).parent / "fixtures"
LAST_YEAR = 2027
TITLE = field("245", "a Titel", ind="10")


def read(*fields: str, leader: str | None = LEADER) -> Record:
    """The Record of one MARC record; a title is added where the test does not care."""
    given = fields if any('tag="245"' in text for text in fields) else (*fields, TITLE)
    found = record_of(read_sru(sru(record(*given, leader=leader))).records[0], "dnb", LAST_YEAR)
    assert found is not None
    return found


def of_fixture(name: str) -> list[Record | None]:
    return [record_of(marc, "dnb", LAST_YEAR) for marc in read_sru((FIXTURES / name).read_bytes()).records]


# --- whole records ---------------------------------------------------------------------------------------------------


def test_a_whole_record_becomes_ours() -> None:
    assert of_fixture("dnb-9783551551672.xml") == [
        Record(
            title="Harry Potter und der Stein der Weisen",
            contributors=(Person("Rowling, J. K.", "aut"),),
            publisher="Carlsen",
            place="Hamburg",
            year=1998,
            pages=335,
            language="de",
            original_language="en",
            isbns=("9783551551672",),
            classes=("K",),
            binding="Pp.",
            carrier="volume",
            source="dnb",
            source_id="958577617",
            source_url="https://d-nb.info/958577617",
        )
    ]


def test_two_editions_under_one_isbn_are_two_records() -> None:
    first, second = of_fixture("dnb-9783406568442.xml")
    assert first is not None
    assert second is not None
    assert (first.edition, first.year) == ("7. Aufl.", 2013)
    assert (second.edition, second.year) == ("6. Aufl.", 2007)
    assert first.title == "Das kulturelle Gedächtnis"
    assert first.sort_title == "kulturelle Gedächtnis"
    assert first.series == (Part("Beck'sche Reihe", "1307"),)


def test_a_volume_of_a_set_without_persons_in_their_fields() -> None:
    (found,) = of_fixture("dnb-9783499623479.xml")
    assert found is not None
    assert found.title == "Impulse für Beratung und Therapie"
    assert found.series == (Part("Kommunikationspsychologische Miniaturen", "1"), Part("Rororo", "62347"))
    assert found.contributors == (Person("Schulz von Thun, Friedemann", "edt"), Person("Kumbier, Dagmar", "edt"))
    assert found.classes == ("150",)
    assert found.parent_id == "988041545"


def test_text_is_composed() -> None:
    (found,) = of_fixture("dnb-9783499623479.xml")
    assert found is not None
    assert found.title == unicodedata.normalize("NFC", found.title)


@pytest.mark.parametrize("prefix", ["", "zs"])
@pytest.mark.parametrize("namespace", [None, "http://www.loc.gov/MARC21/slim"])
def test_prefixes_and_missing_namespaces_do_not_matter(prefix: str, namespace: str | None) -> None:
    answer = read_sru(sru(record(TITLE, namespace=namespace), prefix=prefix))
    assert answer.number == 1
    found = record_of(answer.records[0], "k10plus", LAST_YEAR)
    assert found is not None
    assert found.title == "Titel"


def test_a_record_without_leader_and_control_fields_is_read() -> None:
    found = read(TITLE, leader=None)
    assert (found.title, found.carrier, found.year, found.source_id) == ("Titel", None, None, None)
    assert found.is_printed


def test_a_record_without_title_is_none() -> None:
    answer = read_sru(sru(record(field("020", "a 9783551551672")), record(field("245", "c Nur Personen"))))
    assert [record_of(marc, "dnb", LAST_YEAR) for marc in answer.records] == [None, None]


# --- the answer around the records -----------------------------------------------------------------------------------


def test_nothing_found_is_an_answer() -> None:
    answer = read_sru(sru())
    assert (answer.number, answer.records) == (0, ())


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<searchRetrieveResponse><numberOfRecords>&b;</numberOfRecords></searchRetrieveResponse>"
)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Service unavailable",
        b"<html><body>Wartung</body></html>",
        b"<searchRetrieveResponse><numberOfRecords>1</numberOfRecords><records>",
        b"<searchRetrieveResponse><version>1.1</version></searchRetrieveResponse>",
        b"<searchRetrieveResponse><numberOfRecords>viele</numberOfRecords></searchRetrieveResponse>",
        BOMB.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<?xml version="1.0" encoding="martian"?><x/>',
        b"\xff\xfe\x00",
        b"\0" * 100,
        diagnostic("Unsupported parameter"),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_sru(raw)


def test_a_diagnostic_says_what_went_wrong() -> None:
    with pytest.raises(BadAnswer, match="Unsupported parameter"):
        read_sru(diagnostic("Unsupported parameter"))


# --- title -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "title", "sort_title"),
    [
        ("\x98Das\x9c Kapital", "Das Kapital", "Kapital"),
        ("\x98L'\x9cétranger", "L'étranger", "étranger"),
        ("<<Die>> Pest", "Die Pest", "Pest"),
        ("Die @Gewerkschaften", "Die Gewerkschaften", "Gewerkschaften"),
        ("Leben @home", "Leben @home", None),
        ("Faust /", "Faust", None),
        ("Faust :", "Faust", None),
        ("1984", "1984", None),
        ("Warum E = mc²?", "Warum E = mc²?", None),
        ("Verein e.V.", "Verein e.V.", None),
    ],
)
def test_titles_are_shown_and_filed(written: str, title: str, sort_title: str | None) -> None:
    found = read(field("245", f"a {written}", ind="10"))
    assert (found.title, found.sort_title) == (title, sort_title)


def test_control_characters_and_invisible_signs_are_dropped() -> None:
    # XML 1.0 cannot hold them, binary MARC can.
    title = pymarc.Field("245", pymarc.Indicators("1", "0"), [pymarc.Subfield("a", "Ein\u200bs\x07 zwei\n \u202edrei")])
    found = record_of(pymarc.Record(fields=[title]), "dnb", LAST_YEAR)
    assert found is not None
    assert found.title == "Eins zwei drei"


def test_the_second_indicator_counts_what_is_not_filed() -> None:
    assert read(field("245", "a Das Schloss", ind="14")).sort_title == "Schloss"
    assert read(field("245", "a L'étranger", ind="12")).sort_title == "étranger"
    assert read(field("245", "a Schloss", ind="14")).sort_title is None


def test_full_stops_go_only_where_the_leader_says_so() -> None:
    isbd = LEADER[:18] + "a" + LEADER[19:]
    fields = [field("245", "a Regional studies.", ind="10"), field("250", "a 2nd edition.")]
    assert (read(*fields, leader=isbd).title, read(*fields, leader=isbd).edition) == ("Regional studies", "2nd edition")
    assert (read(*fields).title, read(*fields).edition) == ("Regional studies.", "2nd edition.")


@pytest.mark.parametrize(
    ("fields", "subtitle"),
    [
        (("a Tschick", "b Roman"), "Roman"),
        (("a Tschick :", "b Roman /"), "Roman"),
        (("a Titel", "b Zusatz = Parallel title"), "Zusatz"),
        (("a Titel =", "b Parallel title"), None),
        (("a Titel", "b = Parallel title : more"), None),
        (("a Titel", "b wie aus E = mc² wurde"), "wie aus E = mc² wurde"),
        (("a Titel", "b eins", "b zwei"), "eins : zwei"),
        (("a Titel", "b : eins"), "eins"),
        (("a Titel", "h Elektronische Ressource", "b eins"), "eins"),
    ],
)
def test_subtitles(fields: tuple[str, ...], subtitle: str | None) -> None:
    assert read(field("245", *fields, ind="10")).subtitle == subtitle


@pytest.mark.parametrize(
    ("fields", "title", "subtitle", "series"),
    [
        (("a Werke", "n 3.", "p Der Prozess"), "Der Prozess", None, Part("Werke", "3")),
        (
            ("a Werke", "b in zehn Bänden", "n [3]", "p Der Prozess", "b Roman"),
            "Der Prozess",
            "Roman",
            Part("Werke", "3"),
        ),
        (("a Werke", "n 3"), "Werke", None, Part("Werke", "3")),
        (("a Werke", "b Texte", "n 3", "p Bd. 3"), "Werke", "Texte", Part("Werke", "3")),
        (
            ("a Werke", "n 2", "p Prosa", "n 1", "p \x98Das\x9c Schloss"),
            "Das Schloss",
            None,
            Part("Werke. Prosa", "2, 1"),
        ),
    ],
)
def test_volumes_of_a_set(fields: tuple[str, ...], title: str, subtitle: str | None, series: Part) -> None:
    found = read(field("245", *fields, ind="10"))
    assert (found.title, found.subtitle, found.series) == (title, subtitle, (series,))


@pytest.mark.parametrize("placeholder", ["[Hauptbd.]", "Bd. 3", "[1]"])
def test_a_placeholder_takes_the_title_of_the_parent(placeholder: str) -> None:
    found = read(
        control("003", "DE-101"),
        field("245", f"a {placeholder}", ind="10"),
        field("773", "t \x98Die\x9c Ästhetik des Widerstands", "w (DE-101)550000000", "w (DE-600)9-1", ind="08"),
    )
    assert found.title == "Die Ästhetik des Widerstands"
    assert found.sort_title == "Ästhetik des Widerstands"
    assert found.series == (Part("Die Ästhetik des Widerstands", placeholder),)
    assert found.parent_id == "550000000"


def test_a_placeholder_without_parents_title_stays_with_the_way_to_it() -> None:
    found = read(control("003", "DE-101"), field("245", "a Bd. 3", ind="10"), field("773", "w (DE-101)550000000"))
    assert (found.title, found.parent_id) == ("Bd. 3", "550000000")


# --- persons ---------------------------------------------------------------------------------------------------------


def test_persons_come_in_order_with_their_roles() -> None:
    found = read(
        field("700", "a Aumüller, Uli", "e Übersetzer", "4 trl", ind="1 "),
        field("100", "a Beauvoir, Simone de", "d 1908-1986", "4 aut", ind="1 "),
        field("710", "a Rowohlt", "4 pbl", ind="2 "),
        field("700", "a Osterwald, Grete", "4 http://id.loc.gov/vocabulary/relators/trl", ind="1 "),
        field("700", "a Beauvoir, Simone de", "t Le deuxième sexe", ind="12"),
    )
    assert found.contributors == (
        Person("Beauvoir, Simone de", "aut"),
        Person("Aumüller, Uli", "trl"),
        Person("Osterwald, Grete", "trl"),
    )


@pytest.mark.parametrize(
    ("given", "person"),
    [
        (field("100", "a Han, Je-Chin,", "d 1946-", "e author.", ind="1 "), Person("Han, Je-Chin", "aut")),
        (field("700", "a Hoppe, Robert,", "e editor.", ind="1 "), Person("Hoppe, Robert", "edt")),
        (field("700", "a Muster, Anna", "e HerausgeberIn", ind="1 "), Person("Muster, Anna", "edt")),
        (field("700", "a Rubin, Jean.", ind="1 "), Person("Rubin, Jean", "ctb")),
        (field("100", "a Rubin, Herman.", ind="1 "), Person("Rubin, Herman", "aut")),
        (field("100", "a Falkel, Jeffrey E.", ind="1 "), Person("Falkel, Jeffrey E.", "aut")),
        (field("700", "a Salins, Geneviève-Dominique <<de>>", "4 oth"), Person("Salins, Geneviève-Dominique de", "oth")),
        (field("100", "a Hildegard", "c von Bingen, Heilige", "4 aut", ind="0 "), Person("Hildegard von Bingen", "aut")),
        (field("100", "a Franziskus", "b I.", "c Papst", "4 aut", ind="0 "), Person("Franziskus I., Papst", "aut")),
        (field("700", "a Adam, Theo", "4 oth", "4 prf", "4 sng", ind="1 "), Person("Adam, Theo", "sng")),
        (field("700", "a Adam, Theo", "4 zzz", "4 sng", ind="1 "), Person("Adam, Theo", "sng")),
        (field("100", "a Adam, Theo", "4 zzz", ind="1 "), Person("Adam, Theo", "ctb")),
        (field("110", "a Dresden", "b Stadtmuseum", "4 isb"), Person("Dresden. Stadtmuseum", "isb")),
        (field("710", "a Institut", "g Moskau", "4 oth"), Person("Institut (Moskau)", "oth")),
    ],
)  # fmt: skip
def test_names_and_roles(given: str, person: Person) -> None:
    assert read(given).contributors == (person,)


def test_a_vague_second_role_is_dropped() -> None:
    found = read(
        field("100", "a Wouters, Jelle", "4 edt", ind="1 "),
        field("700", "a Wouters, Jelle", "4 oth", ind="1 "),
        field("700", "a Wouters, Jelle", "4 edt", ind="1 "),
    )
    assert found.contributors == (Person("Wouters, Jelle", "edt"),)


def test_an_institute_that_did_something_stands_behind_the_author() -> None:
    found = read(field("110", "a Zentrum", "4 oth", ind="2 "), field("700", "a Klausmann, Kyara", "4 aut", ind="1 "))
    assert [person.name for person in found.contributors] == ["Klausmann, Kyara", "Zentrum"]


def test_without_a_role_the_title_page_tells_it() -> None:
    found = read(
        field("245", "a Titel", "c Cornelius Herstatt; Christian Müller (Hrsg.)", ind="10"),
        field("700", "a Herstatt, Cornelius", ind="1 "),
        field("700", "a Müller, Christian", ind="1 "),
    )
    assert [person.role for person in found.contributors] == ["edt", "edt"]


# --- imprint and extent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [("Leipzig [u.a.]", "Leipzig"), ("[Leipzig]", "Leipzig"), ("London :", "London"), ("Wien ; London", "Wien")]
    + [(text, None) for text in ("[S.l.]", "o.O.", "[Erscheinungsort nicht ermittelbar]")],
)
def test_places(text: str, place: str | None) -> None:
    assert read(field("264", f"a {text}", "b Verlag", ind=" 1")).place == place


@pytest.mark.parametrize(
    ("text", "publisher"),
    [("Rowohlt-Taschenbuch-Verl.", "Rowohlt-Taschenbuch-Verl."), ("CRC Press,", "CRC Press"), ("Arno Press [u.a.]", "Arno Press")]
    + [(text, None) for text in ("[Verlag nicht ermittelbar]", "[s.n.]", "[publisher not identified]")],
)  # fmt: skip
def test_publishers(text: str, publisher: str | None) -> None:
    assert read(field("264", f"b {text}", ind=" 1")).publisher == publisher


def test_only_publication_counts_and_260_where_264_is_missing() -> None:
    found = read(field("264", "b Druckerei", "c 1990", ind=" 3"), field("264", "b Verlag", "c 1991", ind=" 1"))
    assert (found.publisher, found.year) == ("Verlag", 1991)
    found = read(field("260", "a Burlington :", "b Elsevier Science,", "c 2000."))
    assert (found.place, found.publisher, found.year) == ("Burlington", "Elsevier Science", 2000)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1998", 1998),
        ("[2018]", 2018),
        ("©2017", 2017),
        ("c1989.", 1989),
        ("[ca. 1920?]", 1920),
        ("Shōwa 61-nen [1986]", 1986),
        ("5752 [1992]", 1992),
        ("2010-08-13", 2010),
        ("2003-", 2003),
        ("04/25", 1954),
        ("9999-", 1954),
        ("1111", 1954),
        ("Shôwa 41-nen", 1954),
        ("12345", 1954),
    ],
)
def test_years(text: str, year: int) -> None:
    assert read(control("008", "960604s1954    gw"), field("264", f"c {text}", ind=" 1")).year == year


def test_a_year_nobody_can_believe_is_none() -> None:
    assert read(control("008", "960604s9999    gw"), field("264", "c 2099", ind=" 1")).year is None
    assert read(control("008", "960604|19uu    gw")).year is None


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("335 S.", 335),
        ("335p. ;", 335),
        ("XXIV, 541, 28 S.", 541),
        ("XVI, 529 S. 397 Abb", 529),
        ("360, [8] S.", 360),
        ("1 Online-Ressource (344 Seiten)", 344),
        ("xi, 186 pages", 186),
        ("1 online resource (159 p.)", 159),
        ("48 ungezählte Seiten", 48),
        ("2 Bände (1200 S.)", 1200),
        ("22 cm", None),
        ("1 CD-ROM ; 12 cm", None),
        ("S. 124-136", None),
        ("2019, S. 124-136", None),
        ("1 Spiel (32 Karten)", None),
        ("000 S.", None),
    ],
)
def test_pages(text: str, pages: int | None) -> None:
    assert read(field("300", f"a {text}", "c 19 cm")).pages == pages


@pytest.mark.parametrize(
    ("leader", "fields", "carrier"),
    [
        ("am", [field("338", "b nc")], "volume"),
        ("am", [field("338", "b nc"), field("338", "b sd")], "volume"),
        ("am", [field("338", "b cr")], "online"),
        ("im", [field("338", "b sd")], "disc"),
        ("jm", [field("338", "b sd"), field("338", "b nc")], "disc"),
        ("am", [field("336", "b tct"), field("338", "b nc")], "braille"),
        ("am", [field("338", "b he")], "microform"),
        ("em", [field("338", "b nb")], "sheet"),
        ("am", [control("007", "tu")], "volume"),
        ("am", [control("007", "cr||||")], "online"),
        ("am", [control("007", "co ||||"), control("007", "cr |||")], "disc"),
        ("am", [control("007", "hu")], "microform"),
        ("rm", [control("007", "zu")], "other"),
        ("rm", [], "other"),
        ("am", [], None),
    ],
)
def test_carriers(leader: str, fields: list[str], carrier: str | None) -> None:
    found = read(*fields, leader=f"00000n{leader} a2200000 c 4500")
    assert found.carrier == carrier
    assert found.is_printed == (carrier in (None, "volume"))


# --- numbers, language, series, subjects -----------------------------------------------------------------------------


def test_own_isbns_are_those_of_020_a_and_the_ean() -> None:
    found = read(
        field("020", "a 379101949X (Gb.)", "c EUR 74.95"),
        field("020", "a 978-3-7910-1949-9"),
        field("020", "z 9783631660126"),
        field("020", "a 9783551551671"),
        field("024", "a 9783499256356", ind="3 "),
        field("024", "a 10.1515/9783111150543", "2 doi", ind="7 "),
        field("776", "z 9783406703409"),
    )
    assert found.isbns == ("9783791019499", "9783499256356")


@pytest.mark.parametrize(
    ("fields", "binding"),
    [
        (("a 9783551551672", "c Pp. : DM 26.00"), "Pp."),
        (("a 9783551551672", "q  : kart. : EUR 12.95"), "kart."),
        (("a 9783551551672", "q (hardback)"), "hardback"),
        (("a 9783551551672", "c : EUR 58.80 (DE)"), None),
        (("a 9783551551672", "c ISBN aufgeklebt"), None),
        (("z 9783551551672", "c Pp."), None),
    ],
)
def test_bindings(fields: tuple[str, ...], binding: str | None) -> None:
    assert read(field("020", *fields)).binding == binding


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ([field("041", "a ger")], "de"),
        ([field("041", "a fre", "a ger")], "fr"),
        ([field("041", "a zxx", "a ger")], "de"),
        ([field("041", "a gereng")], "de"),
        ([field("041", "a mul")], None),
        ([field("041", "a 0|e"), control("008", "120101s2012    enk     o     000 0 eng d")], "en"),
        ([control("008", "000301s1998    gw ||||| |||| 00||||ger  ")], "de"),
        ([control("008", "960604|1954####xx#######l####|||#|#####c")], None),
        ([], None),
    ],
)
def test_languages(fields: list[str], language: str | None) -> None:
    assert read(*fields).language == language


@pytest.mark.parametrize(
    ("fields", "series"),
    [
        (
            [field("830", "a Rororo", "v 25635"), field("490", "a rororo", "v 25635", ind="1 ")],
            (Part("Rororo", "25635"),),
        ),
        ([field("490", "a Beck'sche Reihe", "v 1307", ind="1 ")], (Part("Beck'sche Reihe", "1307"),)),
        ([field("490", "a UTB ;", "v 2878 ;", "v Soziale Arbeit")], (Part("UTB", "2878"),)),
        ([field("830", "v 11"), field("490", "a Regionalkarte", "v 11", ind="1 ")], (Part("Regionalkarte", "11"),)),
        ([field("830", "a Eins", "v 1."), field("490", "a Zwei", ind="0 ")], (Part("Eins", "1"), Part("Zwei", None))),
        ([field("830", "a Reihe", "n 2", "p Abteilung", "v 5")], (Part("Reihe. 2. Abteilung", "5"),)),
        ([field("490", "a ISSN", ind="0 ")], ()),
    ],
)
def test_series(fields: list[str], series: tuple[Part, ...]) -> None:
    assert read(*fields).series == series


def test_subjects_are_folded_and_codes_of_the_trade_left_out() -> None:
    found = read(
        field("653", "a (BISAC Subject Heading)HIS000000"),
        field("653", "a (VLB-WN)2534: TB/Psychologie"),
        field("653", "a (Produktform (spezifisch))PDF"),
        field("653", "a /XA-DE"),
        field("653", "a (Keywords)Zeitgeschichte", "a Studentenbewegung"),
        field("653", "a (thesoz)Protest", ind=" 0"),
        field("689", "a Studentenbewegung", ind="00"),
        field("689", "5 DE-101", ind="0 "),
        field("650", "a STUDENTENBEWEGUNG", "2 gnd", ind=" 7"),
        field("651", "a Dresden", "2 gnd", ind=" 7"),
        field("600", "a Luxemburg, Rosa", "2 gnd", ind="17"),
        field("655", "a Roman", "2 gnd-content", ind=" 7"),
    )
    assert found.subjects == (
        "Studentenbewegung",
        "Dresden",
        "Luxemburg, Rosa",
        "Roman",
        "Zeitgeschichte",
        "Protest",
    )


@pytest.mark.parametrize(
    ("fields", "classes"),
    [
        ([field("082", "a 150", "2 22sdnb", ind="74")], ("150",)),
        ([field("082", "a 303.484", "2 23kdnb"), field("083", "a 300", "2 23sdnb")], ("300",)),
        ([field("084", "a 07", "a K", "2 sdnb")], ("K",)),
        ([field("084", "a 830", "a B", "2 sdnb"), field("084", "a CV 2500", "2 rvk")], ("830", "B")),
        ([field("082", "a 128.37"), field("082", "a 152.4")], ("128", "152")),
        ([field("082", "a [E]")], ()),
    ],
)
def test_classes(fields: list[str], classes: tuple[str, ...]) -> None:
    assert read(*fields).classes == classes


def test_the_source_can_be_visited() -> None:
    found = read(control("001", "958577617"), control("003", "DE-101"))
    assert (found.source, found.source_id, found.source_url) == ("dnb", "958577617", "https://d-nb.info/958577617")
    assert read(control("001", "x/../y"), control("003", "DE-101")).source_url is None
    assert read(control("001", "1"), control("003", "XX")).source_url is None


def test_publishers_texts_are_not_copied() -> None:
    assert "spannend" not in str(read(field("520", "a Ein spannendes Buch")))


def test_hostile_lengths_are_cut_to_what_the_catalogue_takes() -> None:
    long = "lang " * 2000
    found = read(
        field("245", f"a {long}", f"b {long}", "n " + long, ind="10"),
        *(field("700", f"a {n} {long}", "4 aut") for n in range(300)),
        *(field("490", f"a {n} {long}", f"v {long}") for n in range(60)),
        *(field("650", f"a {n} {long}") for n in range(300)),
        field("264", f"a {long}", f"b {long}", "c 1998", ind=" 1"),
        field("250", f"a {long}"),
    )
    assert checked(found.fields()).title == found.title
    assert len(checked_origin(found.origin()).subjects) == 100
