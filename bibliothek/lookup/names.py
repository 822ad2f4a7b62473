"""Who made a book: MARC name fields, or the statement on the title page where there are none.

Names are "Family, Given" (bodies as they are), roles are MARC relator codes (https://id.loc.gov/vocabulary/relators).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bibliothek.catalogue.fields import Person
from bibliothek.catalogue.relators import RELATORS
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_PERSONS
from bibliothek.lookup.isbd import shown, without_stop

if TYPE_CHECKING:
    from pymarc import Field, Record

# Who published, supervised or granted a degree is not who made the book.
NOT_MAKERS = {"pbl", "dgs", "dgg", "prt", "dst"}
# Roles that say next to nothing: another role of the same person goes before them.
_VAGUE = {"oth", "ctb", "prf"}
_ROLE = re.compile(r"(?:.*/)?([a-z]{3})")

# $e where $4 is missing (English and older German records).
_ROLE_WORDS = {
    "author": "aut",
    "verfasser": "aut",
    "editor": "edt",
    "herausgeber": "edt",
    "hrsg": "edt",
    "translator": "trl",
    "übersetzer": "trl",
    "illustrator": "ill",
    "photographer": "pht",
    "fotograf": "pht",
    "narrator": "nrt",
    "compiler": "com",
    "publisher": "pbl",
    "verlag": "pbl",
    "issuing body": "isb",
}


def contributors(record: Record) -> tuple[Person, ...]:
    """The people and bodies of a record: 1xx first, then 7xx; without any, those of the title page (245 $c)."""
    statements = [text for field in record.get_fields("245")[:1] for text in field.get_subfields("c")]
    stated = [person for text in statements for person in persons_of(text)]
    named = [
        (field, Person(name, role))
        for field in record.get_fields("100", "110", "111") + record.get_fields("700", "710", "711")
        # A name with a title ($t) is a work, not a person.
        if not field.get_subfields("t")
        and (name := _name(field))
        and (role := _role(field) or _role_stated(name, stated) or _usual_role(field)) not in NOT_MAKERS
    ]
    # DNB enters an institute that "did something" in 110 and the author behind it in 700.
    named.sort(key=lambda pair: not pair[0].tag.endswith("00") and pair[1].role in _VAGUE)
    found = [person for _field, person in named]
    return telling(found or stated)


def telling(persons: list[Person]) -> tuple[Person, ...]:
    """Without doubles, and without a vague role of somebody who has another."""
    clear = {person.name for person in persons if person.role not in _VAGUE}
    kept = (person for person in persons if person.role not in _VAGUE or person.name not in clear)
    return tuple(dict.fromkeys(kept))[:MOST_PERSONS]


def _role(field: Field) -> str | None:
    """$4, else what the first words of $e mean; a code that is none says only that somebody took part."""
    codes = [found.group(1) for text in field.get_subfields("4") if (found := _ROLE.fullmatch(text.strip().lower()))]
    known = [code for code in codes if code in RELATORS]
    telling = next((code for code in known if code not in _VAGUE), None)
    if known:
        return telling or known[0]
    words = " ".join(field.get_subfields("e")).strip(" .,").lower()
    said = next((role for word, role in _ROLE_WORDS.items() if words.startswith(word)), None)
    return said or ("ctb" if codes else None)


def _role_stated(name: str, stated: list[Person]) -> str | None:
    """The role that the title page gives to somebody of that family name (older records have neither $4 nor $e)."""
    family = name.partition(",")[0]
    return next((person.role for person in stated if person.name.partition(",")[0] == family), None)


def _usual_role(field: Field) -> str:
    return "aut" if field.tag.startswith("1") else "ctb"


def _name(field: Field) -> str:
    name = _person_name(field) if field.tag.endswith("00") else _body_name(field)
    return name[:LONGEST_NAME].strip()


def _person_name(field: Field) -> str:
    """100/700: `Apollinaris $c Laodicensis` is "Apollinaris, Laodicensis", `Hildegard $c von Bingen` has no comma."""
    name = " ".join(shown(text) for text in field.get_subfields("a")[:1] + field.get_subfields("b")[:1])
    name = without_stop(name)
    byname = shown(next(iter(field.get_subfields("c")), "")).partition(",")[0]
    if field.indicators and field.indicators[0] == "0" and byname:
        return f"{name} {byname}" if byname[0].islower() else f"{name}, {byname}"
    return name


def _body_name(field: Field) -> str:
    """110/710: body, its parts, and in brackets what tells it from others; never turned round."""
    name = ". ".join(shown(text) for text in field.get_subfields("a", "b"))
    more = ", ".join(shown(text) for text in field.get_subfields("g", "n", "d", "c"))
    return f"{name} ({more})" if name and more else name


# --- the statement on the title page ---------------------------------------------------------------------------------

_SEGMENT = re.compile(r"\s*;\s*|(?<=\w\w)\.\s+(?=Aus d|Übers|Ill\b|Ill\.|Hrsg|Mit |Nachw|Vorw|Dt\.)")
# "hrsg. von", "translated by", "Text:": what stands before tells the role; nothing before is the author.
_BY = re.compile(r"(?P<phrase>.*?)(?:\b(?:von|by|v\.|par|direction de)|:)\s+", re.I)
_ROLE_PHRASES = [
    (re.compile(r"\baus d(?:em|er|\.)|übers|translat|\bdt\.|\bdeutsch", re.I), "trl"),
    (re.compile(r"\bhrsg|\bhgg?\b|herausgeb|herausgegeben|\beds?\b|\bedit(?:ed|ors?)\b|\bsous la", re.I), "edt"),
    (re.compile(r"\bill\.|\billustr|\bbilder\b|\bzeichn", re.I), "ill"),
    (re.compile(r"\bfotos?\b|\bfotogr|\bphoto", re.I), "pht"),
    (re.compile(r"\bzus\.gest|\bzusammengest|\bausgew|\bcompil", re.I), "com"),
    (re.compile(r"\btexte?\b|\bautor|\bverf|\bvorgelegt|\bgeschrieben|\bwritten|\berzählt", re.I), "aut"),
]
_ROLE_IN_BRACKETS = re.compile(r"\[((?:Hrsg|Hg|Hgg|eds?)\.?)\]", re.I)
_REST = re.compile(r"\[(?:et al|u\.\s?a)\.?\]|\.\.\.|…|[\[\]]", re.I)
_EDITORS = re.compile(r"\((?:Hrsg|Hg|Hgg|eds?|Herausgeber)\.?\)[\s.]*$", re.I)
_BRACKET = re.compile(r"\([^()]*\)")
_BETWEEN = re.compile(r",\s*|\s+(?:und|u\.|and|&|et)\s+")
_HONOURS = re.compile(r"\b(?:Prof|Dr|Dipl|Ing|Mag|phil|med|h\.\s?c)\.[-\s]*", re.I)
_PARTICLES = {
    "von",
    "vom",
    "van",
    "de",
    "del",
    "della",
    "der",
    "den",
    "di",
    "da",
    "du",
    "dos",
    "le",
    "la",
    "zu",
    "zum",
    "af",
}
_WORD = re.compile(r"[^\W\d_][\w.'’\-]*")
_BODY = re.compile(
    r"amt\b|verband|verein|zentral|gesellschaft|genossenschaft|institut|universit|hochschule|stiftung|ministeri|\bstadt\b"
    r"|\blandes|\bbund\b|bundes|museum|verlag|akademie|redaktion|foundation|associat|societ|press\b|gmbh|kreis\b|gruppe"
    r"|team\b|hilfe\b|centrale|kollektiv|komitee|committee|council|zentrum|cent(?:er|re)\b|archiv|bibliothek|library|partei\b|gewerkschaft",
    re.I,
)
# Second given names before a "von": "Johann Wolfgang von Goethe", but "Friedemann Schulz von Thun".
_SECOND_GIVEN = frozenset(
    "Adam Albrecht Alexander Amalie Anna Anton August Augusta Bernhard Carl Charlotte Christian Christoph Clemens Dorothea "
    "Eduard Elisabeth Emil Ernst Eugen Eva Ferdinand Franz Friederike Friedrich Georg Gottfried Gottlieb Gustav Heinrich "
    "Henriette Hermann Hugo Jakob Johann Johanna Johannes Josef Joseph Karl Karoline Katharina Konrad Leopold Louise Ludwig "
    "Luise Magdalena Margarete Maria Marie Martin Max Maximilian Moritz Otto Paul Peter Philipp Rainer Richard Robert Rudolf "
    "Sophie Theodor Theresia Therese Ulrich Viktor Walter Werner Wilhelm Wilhelmine Wolfgang".split()
)
_ARTICLES = {"Der", "Die", "Das", "The"}
# With a capital letter they belong to the family name: "Ursula K. Le Guin".
_FAMILY_STARTS = {"Le", "La", "De", "Del", "Della", "Di", "Du", "Van", "Von", "Mc", "Mac", "El", "Ben", "St."}
_MOST_WORDS = 6


def persons_of(statement: str) -> list[Person]:
    """The people named in a statement of responsibility (245 $c), as far as they can be told for certain.

    `Friedemann Schulz von Thun ; Dagmar Kumbier (Hg.)` gives two editors: what stands behind the last counts for all.
    Bodies and whatever has not the shape of a name are left out.
    """
    text = shown(_REST.sub(" ", _ROLE_IN_BRACKETS.sub(r"(\1)", statement)))
    of_all = "edt" if _EDITORS.search(text) else "aut"
    found: list[Person] = []
    for segment in _SEGMENT.split(text):
        names, role = _phrase(segment.strip(" ."))
        found += [Person(given_first(name), own or role or of_all) for name, own in _names_in(names)]
    return found


def _phrase(segment: str) -> tuple[str, str | None]:
    """The names behind "hrsg. von", and the role it means; the "von" of a name is no such phrase."""
    found = _BY.match(segment)
    if not found:
        return segment, None
    phrase, names = found.group("phrase").strip(), segment[found.end() :]
    if not phrase:
        return names, "aut"
    role = _role_said(phrase)
    return (names, role) if role else (segment, None)


def _role_said(phrase: str) -> str | None:
    return next((role for pattern, role in _ROLE_PHRASES if pattern.search(phrase)), None)


def _names_in(text: str) -> list[tuple[str, str | None]]:
    """Each name, with the role in brackets behind it: `Mark Dang-Anh (Hrsg.)`."""
    found = []
    for part in _BETWEEN.split(text):
        name = _HONOURS.sub("", _BRACKET.sub("", part)).strip(" .")
        if _is_name(name):
            said = _BRACKET.search(part)
            found.append((name, _role_said(said.group()) if said else None))
    return found


def _is_name(name: str) -> bool:
    """Two to six words, each a particle or with a capital letter, and no sign of a body."""
    words = name.split()
    if not 2 <= len(words) <= _MOST_WORDS or words[0] in _ARTICLES or _BODY.search(name):
        return False
    named = [word for word in words if word not in _PARTICLES]
    return len(named) >= 2 and all(_WORD.fullmatch(word) and word[0].isupper() for word in named)


def given_first(name: str) -> str:
    """ "Simone de Beauvoir" gives "Beauvoir, Simone de"; one word, a body and a name with a comma stay as they are."""
    words = name.split()
    if len(words) < 2 or "," in name or not words[-1][0].isalpha() or _BODY.search(name):
        return name
    own = next((n for n, word in enumerate(words[:-1]) if n > 0 and word in _FAMILY_STARTS), None)
    start = next((n for n, word in enumerate(words[:-1]) if n > 0 and word in _PARTICLES), None)
    if own is None and start == 2 and words[1] not in _SECOND_GIVEN and not words[1].endswith("."):
        own = 1
    if own is None:
        # The particle is filed behind the given names: "Beauvoir, Simone de".
        own = next((n for n in range(start, len(words)) if words[n] not in _PARTICLES), -1) if start else -1
    return f"{' '.join(words[own:])}, {' '.join(words[:own])}"
