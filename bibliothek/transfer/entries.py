"""From a row of a table to a book: what its cells say, cleaned, with a remark for everything that could not be kept. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from bibliothek import codes
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.lines import read_persons, read_series
from bibliothek.catalogue.relators import RELATORS
from bibliothek.catalogue.rules import (
    LONGEST_NAME,
    MOST_ISBNS,
    MOST_PERSONS,
    MOST_SUBJECTS,
    checked,
    checked_origin,
    is_language,
    one_line,
)
from bibliothek.catalogue.words import fold
from bibliothek.catalogue.writing import NewTitle, new_title
from bibliothek.copies.actions import LONGEST_SHELF_NAME
from bibliothek.copies.rules import CONDITIONS, LONGEST_REASON, REASONS
from bibliothek.donations.actions import LONGEST_DONOR
from bibliothek.i18n import _
from bibliothek.lookup.isbn import NotAnIsbn, RoundedNumber, isbns_in, read_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.names import given_first
from bibliothek.problems import Invalid
from bibliothek.transfer.formats import OWN, TARGETS, Plan
from bibliothek.transfer.same import Told, told_by
from bibliothek.transfer.tables import LONGEST_CELL, MOST_COLUMNS, Row

MOST_COPIES = 100
# The source of what came from a table, where nobody says otherwise (catalogue.provenance).
IMPORT = "import"
STATES = {
    "intake": "noch ohne Etikett",
    "active": "da",
    "repair": "in Reparatur",
    "missing": "nicht auffindbar",
    "withdrawn": "ausgesondert",
}
_STATE_OF = {word: state for state, word in STATES.items()}
_CONDITION_OF = {word: name for name, word in CONDITIONS.items()}
_REASON_OF = {word: name for name, word in REASONS.items()}
_WISHED = {"to read", "wishlist", "wish list", "wunschliste", "wunschzettel"}
# A collection that LibraryThing gives to everybody.
_UNOWNED = "read but unowned"


class NotTaken(Invalid):
    """The row is no book that can be taken in; the sentence says why. `skipped`: it was not meant to."""

    code = "row-not-taken"

    def __init__(self, sentence: str, skipped: bool = False) -> None:
        super().__init__(sentence)
        self.skipped = skipped


class CopyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says about the physical book. Only our own export knows more than shelf, condition and donor."""

    code: str | None = None
    shelf: str | None = None
    shelf_code: str | None = None
    condition: str | None = None
    donor: str | None = None
    state: str = "intake"
    created: datetime | None = None
    labelled: datetime | None = None
    withdrawn: datetime | None = None
    reason: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is a book.

    `copies` is how many of it there are. `key` tells the row from all others of its list, but for its doubles. `heart` is what a
    row with a number of its own is called: a number that means another book by now is no proof. `told` is what its title is
    recognised by, `number` that of the title in our own export. `remarks` say what was left out.
    """

    row: int
    new: NewTitle
    facts: CopyFacts
    copies: int
    key: str
    heart: str | None
    told: Told
    number: str
    title_created: datetime | None
    remarks: tuple[str, ...]

    @property
    def fields(self) -> TitleFields:
        return self.new.fields


def read_entry(row: Row, plan: Plan) -> Entry:
    """The book of a row. Raises NotTaken."""
    if row.torn:
        raise NotTaken(_("In dieser Zeile beginnt ein Anführungszeichen, das nie endet."))
    remarks: list[str] = []
    cells = _by_target(row, plan, remarks)
    read = _OwnRow(cells, remarks) if plan.format == OWN else _AnyRow(cells, remarks, plan)
    copies = read.copies()
    fields, origin = read.title()
    fields = _checked(fields, remarks)
    origin = checked_origin(origin)
    new = new_title(fields, origin)
    told = told_by(fields, new.sort_title)
    row_id = "".join(cells.get("row_id", []))[:100].strip()
    words = (told.whole, told.family, told.given, str(fields.year or ""), *sorted(told.numbers), *fields.isbns[:1])
    return Entry(
        row=row.number,
        new=new,
        facts=read.facts(),
        copies=copies,
        key=f"id:{row_id}" if row_id else _hash(*words),
        heart=_hash(told.core) if row_id else None,
        told=told,
        number=read.printed("title_number") or "",
        title_created=read.moment("title_created"),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def _by_target(row: Row, plan: Plan, remarks: list[str]) -> dict[str, list[str]]:
    """The cells that say something, by what they hold."""
    beyond = row.cells[len(plan.columns) : MOST_COLUMNS]
    if any(cell.strip() for cell in beyond):
        raise NotTaken(
            _(
                "Die Zeile hat mehr Zellen als die anderen. Steht ein Trennzeichen in einem Text, der keine Anführungszeichen hat?"
            )
        )
    found: dict[str, list[str]] = {}
    for cell, target in zip(row.cells, plan.columns, strict=False):
        if target and cell.strip():
            if len(cell) > LONGEST_CELL:
                raise NotTaken(_("Eine Zelle ist länger als {n} Zeichen. Fehlt ein Anführungszeichen?", n=LONGEST_CELL))
            # Line by line: several numbers, one a line, may look like a code in groups, as three ISBNs in a cell do.
            if target != "isbn" and any(map(codes.holds_card, cell.split("\n"))):
                # Before anything quotes it: what is said of a row is kept, too.
                sentence = _left_out(target, _("Das ist der Code einer Karte."))
                if target == "title":
                    raise NotTaken(sentence)
                remarks.append(sentence)
                continue
            found.setdefault(target, []).append(cell if plan.format == OWN else cell.strip())
    return found


def _checked(fields: TitleFields, remarks: list[str]) -> TitleFields:
    """Clean. What is wrong with one field is left out and said; without a title there is no book. Raises NotTaken."""
    for _try in range(2):
        try:
            return checked(fields)
        except Invalid as problem:
            wrong = problem.errors
            if "title" in wrong:
                # Some of the sentences begin with the field.
                label = TARGETS["title"]
                why = wrong["title"].removeprefix(_(label) + ": ")
                raise NotTaken(_("Titel: {why}", why=why)) from problem
            remarks += [_left_out(name, why) for name, why in wrong.items()]
            gaps: dict[str, Any] = {name: () if isinstance(getattr(fields, name), tuple) else None for name in wrong}
            fields = msgspec.structs.replace(fields, **gaps)
    raise NotTaken(_("Diese Zeile lässt sich nicht lesen."))


_LABELS = {"contributors": "persons", "isbns": "isbn"}


def _left_out(name: str, why: str) -> str:
    return _("{what} weggelassen: {why}", what=_(TARGETS[_LABELS.get(name, name)]), why=why)


def _shown(text: str, most: int = 40) -> str:
    """What a cell says, short enough for a sentence, which is kept and shown: so never the code of a card, nor half of it."""
    return "…" if codes.holds_card(text) else text[:most]


class _Cells:
    """The cells of one row, and where to say what could not be kept."""

    # "98" means 1998, or 1898: who knows.
    shortest_year = 3

    def __init__(self, cells: dict[str, list[str]], remarks: list[str]) -> None:
        self.cells, self.remarks = cells, remarks
        if any("\ufffd" in cell for many in cells.values() for cell in many):
            remarks.append(_("Einzelne Zeichen waren nicht lesbar und stehen nun als „\ufffd“ da."))

    def text(self, target: str) -> str:
        found = self.cells.get(target)
        return one_line(found[0]) if found else ""

    def printed(self, target: str) -> str | None:
        """A text that has no rule of its own; without the code of a card, which nobody may read."""
        text = self.text(target)
        if codes.holds_card(text):
            self.leave_out(target, _("Das ist der Code einer Karte."))
            return None
        return text or None

    def moment(self, target: str) -> datetime | None:
        text = self.text(target)
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.leave_out(target, _("„{text}“ ist kein Zeitpunkt.", text=_shown(text)))
            return None
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)

    def whole(self, target: str) -> int | None:
        """The number that a cell begins with: "312", "312.0", "312 S.", "[312]". The year in it, wherever that stands:
        "©1998", "1.5.1998", "12/1998", "2. Aufl. 1998"; of other years there must be nothing else in the cell."""
        text = self.text(target)
        if not text:
            return None
        if target == "year":
            found = re.search(r"(?<!\d)((?:1[4-9]|20)\d\d)(?!\d)", text) if not text.startswith("-") else None
            found = found or re.fullmatch(r"(?:ca?\.?\s*|©\s*|\[)*(\d{1,9})(?:[.,]0+)?[\]?]*", text)
            if found and len(found[1]) < self.shortest_year:
                found = None
        else:
            found = re.match(r"(?:ca?\.?\s*|\[)*(\d{1,9})(?!\d)(?![.,]\d*[1-9])", text)
        if found is None:
            self.leave_out(target, _("„{text}“ ist keine Zahl, die hier passt.", text=_shown(text)))
            return None
        return int(found[1])

    def leave_out(self, target: str, why: str) -> None:
        self.remarks.append(_left_out(target, why))

    def shelf_name(self) -> str | None:
        name = self.text("shelf")
        if len(name) > LONGEST_SHELF_NAME:
            self.leave_out("shelf", _("Der Name ist zu lang: höchstens {n} Zeichen.", n=LONGEST_SHELF_NAME))
            return None
        return name or None

    def condition(self) -> str | None:
        word = self.text("condition")
        if not word:
            return None
        found = _CONDITION_OF.get(word.lower()) or (word.lower() if word.lower() in CONDITIONS else None)
        if found is None:
            self.leave_out(
                "condition", _("„{text}“ ist keiner der Zustände neu, gut, gebraucht, beschädigt.", text=_shown(word))
            )
        return found

    def donor(self) -> str | None:
        name = self.text("donor")
        if len(name) > LONGEST_DONOR:
            self.leave_out("donor", _("Das ist kein Name."))
            return None
        return name or None

    def isbns(self) -> tuple[str, ...]:
        """Those that are right. Each that is not is said, unless it is only the rounded double of a right one beside it."""
        right: list[str] = []
        wrong: list[NotAnIsbn] = []
        for cell in self.cells.get("isbn", []):
            for part in filter(None, map(str.strip, _SEVERAL_ISBNS.split(cell))):
                # Ten or thirteen signs are one number: there is nothing beside it to look for.
                several = isbns_in(part) if len(part) not in (10, 13) else []
                try:
                    found = read_isbn(part)
                    if not found.placeholder:
                        right.append(found.isbn13)
                except NotAnIsbn as error:
                    if not several and re.search(r"\d", part):
                        wrong.append(NotAnIsbn() if codes.holds_card(part) else error)
                # What else stands beside the first: "9783522202107 / 3522202104".
                right += several
        telling = [error for error in wrong if not isinstance(error, RoundedNumber)]
        # A rounded number beside another one is only its double.
        for why in telling or ([] if right else wrong):
            self.leave_out("isbn", why.sentence)
        return tuple(dict.fromkeys(right))[:MOST_ISBNS]


# A comma parts two numbers, where another long one follows: not in "9,78E+12", nor before a price.
_SEVERAL_ISBNS = re.compile(r"[;\n|]|,\s+(?=\d[\d -]{8})")


class _OwnRow(_Cells):
    """A row of our own export: nothing is guessed, so that everything comes back as it was."""

    shortest_year = 1

    def copies(self) -> int:
        return 1 if self.text("code") else 0

    def title(self) -> tuple[TitleFields, Origin]:
        fields = TitleFields(
            title=self.text("title"),
            subtitle=self.text("subtitle") or None,
            contributors=tuple(map(_own_person, self.lines("persons"))),
            publisher=self.text("publisher") or None,
            place=self.text("place") or None,
            year=self.whole("year"),
            edition=self.text("edition") or None,
            pages=self.whole("pages"),
            language=self.text("language") or None,
            series=self._series(),
            isbns=self.isbns(),
        )
        origins = {
            field: source
            for line in self.lines("origins")
            if not codes.holds_card(line)
            for source, _colon, names in (line.rpartition(": "),)
            for field in names.split()
        }
        return fields, Origin(
            sort_title=self.printed("sort_title"),
            subjects=tuple(subject for subject in self.lines("subjects") if not codes.holds_card(subject)),
            source=self.printed("source"),
            source_url=self.printed("source_url"),
            fields=origins,
        )

    def lines(self, target: str) -> list[str]:
        return [line for line in self.cells.get(target, [""])[0].split("\n") if line.strip()]

    def _series(self) -> tuple[Part, ...]:
        names = self.cells.get("series", [""])[0].split("\n")
        numbers = self.cells.get("number", [""])[0].split("\n")
        numbers += [""] * (len(names) - len(numbers))
        return tuple(Part(name, number or None) for name, number in zip(names, numbers, strict=False) if name.strip())

    def facts(self) -> CopyFacts:
        reason = self.text("reason")[:LONGEST_REASON]
        code, shelf_code = self._code("code", "copy"), self._code("shelf_code", "shelf")
        state = self.text("state")
        if state and state not in _STATE_OF:
            self.leave_out("state", _("„{text}“ ist kein Stand eines Exemplars.", text=_shown(state)))
        facts = CopyFacts(
            code=code,
            shelf=self.shelf_name(),
            shelf_code=shelf_code,
            condition=self.condition(),
            donor=self.donor(),
            state=_STATE_OF.get(state, "intake"),
            created=self.moment("created"),
            labelled=self.moment("labelled"),
            withdrawn=self.moment("withdrawn"),
            reason=_REASON_OF.get(reason, reason) or None,
        )
        # A copy with a label is not waiting for one (an invariant of `bibliothek verify`).
        is_labelled = facts.labelled and facts.state == "intake"
        return msgspec.structs.replace(facts, state="active") if is_labelled else facts

    def _code(self, target: str, kind: str) -> str | None:
        text = self.text(target)
        if not text:
            return None
        found = codes.read(text)
        if found.kind != kind:
            raise NotTaken(
                _("„{text}“ ist kein richtiger Code. Vergleiche ihn mit dem Etikett.", text=_shown(text, 20))
            )
        return found.value


def _own_person(line: str) -> Person:
    """ "Beauvoir, Simone de", or with a MARC code behind it in brackets: "Uli Aumüller (trl)"."""
    found = re.fullmatch(r"(.*\S) \(([a-z]{3})\)", line)
    return Person(found[1], found[2]) if found and found[2] in RELATORS else Person(line, "aut")


def own_person(person: Person) -> str:
    """The line that `_own_person` reads back."""
    return person.name if _own_person(person.name) == person else f"{person.name} ({person.role})"


class _AnyRow(_Cells):
    """A row of somebody else's list: cells say things in many ways."""

    def __init__(self, cells: dict[str, list[str]], remarks: list[str], plan: Plan) -> None:
        super().__init__(cells, remarks)
        self.plan = plan

    def copies(self) -> int:
        """How many books the row is. Raises NotTaken for those that nobody has."""
        owned = self._count("owned")
        collections = self.words("wish")
        is_here = bool(owned) or "your library" in collections
        if self.plan.which == "owned" and not owned and "owned" in self.plan.columns:
            raise NotTaken(_("Laut Liste kein eigenes Exemplar."), skipped=True)
        if self.plan.which != "all" and collections & _WISHED and not is_here:
            raise NotTaken(_("Steht nur auf der Wunschliste."), skipped=True)
        if self.plan.which != "all" and _UNOWNED in collections and not is_here:
            raise NotTaken(_("Laut Liste kein eigenes Exemplar."), skipped=True)
        count = self._count("copies")
        if count == 0:
            raise NotTaken(_("Anzahl der Exemplare ist 0."), skipped=True)
        return count or owned or 1

    def words(self, target: str) -> set[str]:
        return {" ".join(fold(part)) for part in re.split(r"[,;|]", self.text(target))}

    def _count(self, target: str) -> int | None:
        text = self.text(target)
        if not text:
            return None
        found = re.fullmatch(r"(\d{1,6})(?:[.,]0+)?(?:\s*(?:x|Stück|Stk\.?|Ex\.?|Exemplare?))?", text, re.IGNORECASE)
        if found is None or int(found[1]) > MOST_COPIES:
            raise NotTaken(_("„{text}“ ist keine Anzahl von 0 bis {n}.", text=_shown(text), n=MOST_COPIES))
        return int(found[1])

    def title(self) -> tuple[TitleFields, Origin]:
        title, series = _series_in(self.text("title"))
        if named := self.text("series"):
            number = self.text("number")
            series = read_series(f"{named} ; {number}" if number else named)
        publisher, year, pages, edition = (
            self.text("publisher"),
            self.whole("year"),
            self.whole("pages"),
            self.text("edition"),
        )
        if imprint := self.text("imprint"):
            publisher = publisher or _imprint(imprint)
            printed = re.search(r"(?<!\d)((?:1[5-9]|20)\d\d)(?!\d)", imprint)
            year = year or (int(printed[1]) if printed else None)
        fields = TitleFields(
            title=title,
            subtitle=self.text("subtitle") or None,
            contributors=self._persons(),
            publisher=publisher or None,
            place=self.text("place") or None,
            year=year,
            edition=edition or None,
            pages=pages or None,
            language=self._language(),
            series=series,
            isbns=self.isbns(),
        )
        subjects = tuple(
            name
            for cell in self.cells.get("subjects", [])
            for part in re.split(r"[;\n|]" if ";" in cell or "|" in cell else r"[,\n]", cell)
            if (name := one_line(part)[:LONGEST_NAME])
        )
        origins = dict.fromkeys((*TitleFields.__struct_fields__, "subjects"), IMPORT)
        return fields, Origin(subjects=subjects[:MOST_SUBJECTS], fields=origins)

    def facts(self) -> CopyFacts:
        return CopyFacts(shelf=self.shelf_name(), condition=self.condition(), donor=self.donor())

    def _persons(self) -> tuple[Person, ...]:
        found: dict[tuple[str, str], Person] = {}
        for target, role in (("persons", "aut"), ("editors", "edt"), ("translators", "trl")):
            for cell in self.cells.get(target, []):
                for name in self._names(cell):
                    person = read_persons(name)[:1] or (Person("", role),)
                    said = person[0].role if person[0].role != "aut" else role
                    clean = given_first(_OTHERS.sub("", one_line(person[0].name)).strip(" ,"))
                    if clean:
                        found.setdefault((clean, said), Person(clean, said))
        return tuple(found.values())[: MOST_PERSONS + 1]

    def _names(self, cell: str) -> Iterable[str]:
        """The persons of a cell. A comma parts two persons only where names are written with the given name first."""
        # One space each: a cell of nothing else would be looked through for as long as the square of its length.
        folded = re.sub(r"[^\S\n]+", " ", cell)
        parts = re.split(r"\s*[;\n|]\s*|\s+/\s+|\s+&\s+|\s+und\s+|\s+and\s+", folded)
        for part in parts:
            if self.plan.names == "given" and "," in part:
                yield from part.split(",")
            else:
                yield part

    def _language(self) -> str | None:
        said = one_line(re.split(r"[,;|/]", self.text("language"))[0])
        if not said:
            return None
        word = said.lower().replace("_", "-").partition("-")[0].strip()
        # Words first: "dt" has two letters, but is no code.
        found = _LANGUAGES.get("".join(fold(said))) or (word if is_language(word) else None)
        if not found and len(word) == 3:
            found = two_letters(word)
        if not found:
            self.leave_out("language", _("„{text}“ kennen wir nicht als Sprache.", text=_shown(said)))
        return found


_LANGUAGES = dict(
    pair.split(":")
    for pair in """deutsch:de dt:de german:de allemand:de englisch:en english:en franzosisch:fr french:fr spanisch:es spanish:es
    italienisch:it italian:it turkisch:tr turkish:tr arabisch:ar arabic:ar russisch:ru russian:ru polnisch:pl polish:pl
    tschechisch:cs czech:cs niederlandisch:nl dutch:nl portugiesisch:pt portuguese:pt ukrainisch:uk ukrainian:uk persisch:fa
    persian:fa farsi:fa kurdisch:ku kurdish:ku schwedisch:sv swedish:sv danisch:da danish:da norwegisch:no norwegian:no latein:la
    latin:la griechisch:el greek:el chinesisch:zh chinese:zh japanisch:ja japanese:ja ungarisch:hu hungarian:hu rumanisch:ro
    romanian:ro hebraisch:he hebrew:he vietnamesisch:vi vietnamese:vi koreanisch:ko korean:ko finnisch:fi finnish:fi
    serbisch:sr serbian:sr kroatisch:hr croatian:hr bulgarisch:bg bulgarian:bg esperanto:eo""".split()
)
# "and others", which are nobody that could be filed.
_OTHERS = re.compile(r"(?:^|[\s,])[\[(]?(?:u\.\s?a\.|et\.? al\.?)[\])]?$", re.IGNORECASE)
_IN_TITLE = re.compile(r"(?P<title>.*\S)\s*\((?P<series>[^()]*#\s*[\d.,–-]+[^()]*)\)\s*")


def _series_in(title: str) -> tuple[str, tuple[Part, ...]]:
    """ "The Hunger Games (The Hunger Games, #1)", as Goodreads writes it, is a title with its series."""
    found = _IN_TITLE.fullmatch(title)
    if found is None:
        return title, ()
    parts = []
    for one in found["series"].split(";"):
        name, _hash_sign, number = one.partition("#")
        if name.strip(" ,"):
            parts.append(Part(name.strip(" ,"), number.strip() or None))
    return found["title"], tuple(parts)


def _imprint(text: str) -> str:
    """The publisher in LibraryThing's "Library of America (2007), Edition: 1st, Hardcover, 864 pages"."""
    return re.split(r"\s*[(,]\s*(?:\D{0,12}\d{4}|Edition:)", text, maxsplit=1)[0].strip(" ,")
