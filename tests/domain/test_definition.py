"""The grammar: what it accepts, what it refuses and where it says the fault is, and that nothing else escapes."""

# ruff: noqa: E501 — the table of faults reads best with one source a line

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.domain.definition import ALLOWED, Definition, ListItem, Text, build, canonical, hidden, parse, stored
from clinic.domain.errors import DefinitionError


def _entry(id_: str, staff_only: bool = False) -> ListItem:
    texts = {name: Text(f"signals.{id_}.{name}", f"{id_} {name}") for name in ("title", "own")}
    return ListItem(id_, texts, staff_only)


LISTS = {"signals": (_entry("worry"), _entry("distance"), _entry("hidden_one", staff_only=True))}

TOP = 'id = "sheet"\nversion = 1\nkind = "worksheet"\ntitle = "A sheet"\n'
JOINT = TOP + 'audience = "joint"\nrecipients = ["joint"]\n'
STAFF = TOP + 'audience = "staff"\nabout = "couple"\n'
OWN = TOP + 'audience = "recipient"\nrecipients = ["a", "b"]\n'
BOTH = TOP + 'audience = "recipient"\nrecipients = ["joint", "a", "b"]\n'
TELL = '[[section.block]]\nid = "tell"\nkind = "prompt"\nlabel = "Tell us"\n'
YES_NO = 'options = [{ id = "yes", label = "Yes" }, { id = "no", label = "No" }]\n'
PICK = '[[section.block]]\nid = "first"\nkind = "choice"\nlabel = "Which?"\n' + YES_NO

# One block of every kind, as README shows them.
KINDS = {
    "prose": 'text = "Read this."',
    "callout": 'text = "Take your time."\ntone = "stop"',
    "signature": 'label = "Signed"',
    "prompt": 'label = "What came first?"\nasks = [{ id = "who", label = "Who", lines = 2 }]',
    "choice": 'label = "Which one?"\nother = true\n' + YES_NO,
    "checklist": 'label = "Which?"\nfrom = "signals"\nshow = "own"\ncols = 2',
    "pick": 'label = "Pick two."\nfrom = "signals"\nids = ["distance"]\nmax = 2',
    "date": 'fields = [{ id = "day", label = "Day", type = "date" }, { id = "at", label = "At", type = "time" }]',
    "scale": 'label = "How sure?"\nmin = 0\nmax = 10\nlow = "not"\nhigh = "very"',
    "matrix": 'stem = "In two weeks"\nfrom = "signals"\npoints = [{ id = "no", label = "No" }, { id = "yes", label = "Yes" }]',
    "table": 'open = 3\ncolumns = [{ id = "what", label = "What" }, { id = "hard", label = "How", type = "scale" }]',
    "grid": 'stem = "This week"\nrows = [{ id = "walk", label = "A walk", type = "tick" }]',
    "diagram": 'shape = "circles"\nalt = "Three rings"\nnodes = [{ id = "in", label = "In" }, '
    '{ id = "mid", label = "Mid" }, { id = "out", label = "Out" }]',
    "shared": 'label = "What you shared"\nprefill = "released"\nfrom = "signals"\nalt = "Two lines"\n'
    'asks = [{ id = "from_a", label = "A shared" }, { id = "from_b", label = "B shared" }]',
}


def section(*blocks: str, id_: str = "one", more: str = "") -> str:
    return f'[[section]]\nid = "{id_}"\ntitle = "Step"\n{more}' + "".join(blocks)


def block(kind: str, lines: str = "", id_: str = "thing") -> str:
    return f'[[section.block]]\nid = "{id_}"\nkind = "{kind}"\n{lines}\n'


def read(text: str) -> Definition:
    return parse(text.encode(), "sheet.toml", LISTS)


@pytest.mark.parametrize("kind", ALLOWED)
def test_every_kind_parses(kind: str) -> None:
    assert read(JOINT + section(block(kind, KINDS[kind]))).blocks["thing"].kind == kind


def test_from_brings_ids_texts_and_keys_of_the_library() -> None:
    made = read(JOINT + section(block("checklist", KINDS["checklist"]))).blocks["thing"]
    assert [(one.id, one.label) for one in made.options] == [
        ("worry", Text("signals.worry.own", "worry own")),
        ("distance", Text("signals.distance.own", "distance own")),
    ]


def test_staff_only_entries_stand_in_staff_blocks_alone() -> None:
    lines = 'label = "Which?"\nfrom = "signals"'
    assert "hidden_one" in [one.id for one in read(STAFF + section(block("checklist", lines))).blocks["thing"].options]
    with pytest.raises(DefinitionError, match="hidden_one"):
        read(JOINT + section(block("checklist", lines + '\nids = ["hidden_one"]')))


def test_a_stored_text_needs_no_library() -> None:
    made = read(JOINT + section(block("matrix", KINDS["matrix"])))
    assert stored(made.data) == made
    assert stored(made.data).sha == made.sha


# name: (source, section, block, a word of the problem)
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "broken toml": ("id = ", "", "", "valid TOML"),
    "id of another file": (JOINT.replace('"sheet"', '"other"') + section(TELL), "", "", 'must be "sheet"'),
    "endless number": ("id = " + "1" * 5000, "", "", "valid TOML"),
    "recursion bomb": ("id = " + "[" * 5000, "", "", "valid TOML"),
    "dotted bomb": (JOINT + "note." + ".".join("a" * 5000) + " = 1\n" + section(TELL), "", "", "nested"),
    "date as value": (JOINT + "note = 2026-01-01\n" + section(TELL), "", "", "whole numbers"),
    "float as value": (JOINT + "minutes = 1.5\n" + section(TELL), "", "", "whole numbers"),
    "hex monster": (JOINT + "minutes = 0x" + "F" * 9000 + "\n" + section(TELL), "", "", "whole numbers"),
    "unknown field at the top": (JOINT + 'colour = "red"\n' + section(TELL), "", "", '"colour"'),
    "unknown kind of definition": (JOINT.replace('"worksheet"', '"poster"') + section(TELL), "", "", "kind"),
    "no title": (JOINT.replace("A sheet", " ") + section(TELL), "", "", "title"),
    "no version": (JOINT.replace("version = 1", "version = 0") + section(TELL), "", "", "version"),
    "version is text": (JOINT.replace("version = 1", 'version = "1"') + section(TELL), "", "", "version"),
    "no audience": (TOP + 'about = "couple"\n' + section(TELL), "", "", "audience"),
    "only a gets it": (JOINT.replace('["joint"]', '["a"]') + section(TELL), "", "", "only together"),
    "recipients is a number": (JOINT.replace('["joint"]', "7") + section(TELL), "", "", "recipients"),
    "recipients holds tables": (JOINT.replace('["joint"]', "[{ a = 1 }]") + section(TELL), "", "", "recipients"),
    "joint twice": (JOINT.replace('["joint"]', '["joint", "joint"]') + section(TELL), "", "", "recipients"),
    "recipients and about": (OWN + 'about = "couple"\n' + section(TELL), "", "", "do not fit"),
    "unknown level": (JOINT + 'level = { joint = "some" }\n' + section(TELL), "", "", "level"),
    "level holds a list": (JOINT + "level = { joint = [] }\n" + section(TELL), "", "", "level"),
    "private but joint": (JOINT + "private = true\n" + section(TELL), "", "", "private"),
    "no section": (JOINT, "", "", "sections"),
    "section is text": (JOINT + 'section = "x"\n', "", "", "list of tables"),
    "no block": (JOINT + section(), "one", "", "no block"),
    "sections twice": (JOINT + section(TELL) + section(PICK), "", "", "same id"),
    "61 sections": (JOINT + "".join(section(TELL, id_=f"s{n}") for n in range(61)), "", "", "sections"),
    "401 blocks": (
        JOINT + section(*(block("prompt", 'label = "Q"', f"b{n}") for n in range(401))),
        "",
        "",
        "400 blocks",
    ),
    "unknown field in a section": (JOINT + section(TELL, more="depth = 1\n"), "one", "", '"depth"'),
    "bad section id": (JOINT + section(TELL, id_="One"), "One", "", "small letters"),
    "reserved section id": (JOINT + section(TELL, id_="staff"), "staff", "", "reserved"),
    "reserved block id": (JOINT + section(block("prompt", 'label = "Q"', "a")), "one", "a", "reserved"),
    "long id": (JOINT + section(block("prompt", 'label = "Q"', "x" * 49)), "one", "x" * 49, "48"),
    "block twice": (JOINT + section(TELL, TELL), "one", "tell", "second block"),
    "block twice, two sections": (JOINT + section(TELL) + section(TELL, id_="two"), "two", "tell", "second block"),
    "unknown kind": (JOINT + section(block("poem")), "one", "thing", "kind"),
    "kind is a list": (JOINT + section('[[section.block]]\nid = "x"\nkind = []\n'), "one", "x", "kind"),
    "field of another kind": (JOINT + section(block("prose", 'text = "x"\nmax = 3')), "one", "thing", '"max"'),
    "text is a number": (JOINT + section(block("prose", "text = 3")), "one", "thing", "text"),
    "text is too long": (JOINT + section(block("prose", f'text = "{"x" * 4001}"')), "one", "thing", "4000"),
    "hidden character": (JOINT + section(block("prose", r'text = "a\u202Eb"')), "one", "thing", "hidden"),
    "note is a list": (JOINT + section(block("prose", 'text = "x"\nnote = []')), "one", "thing", "note"),
    "no label": (JOINT + section(block("prompt")), "one", "thing", "needs label"),
    "no options": (JOINT + section(block("choice", 'label = "Q"')), "one", "thing", "needs options"),
    "201 options": (
        JOINT
        + section(
            block("choice", 'label = "Q"\noptions = [' + ",".join(f'{{id="o{n}",label="x"}}' for n in range(201)) + "]")
        ),
        "one",
        "thing",
        "200",
    ),
    "61 rows": (
        JOINT
        + section(
            block("grid", 'stem = "S"\nrows = [' + ",".join(f'{{id="r{n}",label="x"}}' for n in range(61)) + "]")
        ),
        "one",
        "thing",
        "60",
    ),
    "options is text": (
        JOINT + section(block("choice", 'label = "Q"\noptions = "x"')),
        "one",
        "thing",
        "list of tables",
    ),
    "option twice": (
        JOINT + section(block("choice", 'label = "Q"\noptions = [{id="x",label="1"},{id="x",label="2"}]')),
        "one",
        "thing",
        "twice",
    ),
    "option without label": (
        JOINT + section(block("choice", 'label = "Q"\noptions = [{ id = "x" }]')),
        "one",
        "thing",
        "label is missing",
    ),
    "unknown field in an option": (
        JOINT + section(block("choice", 'label = "Q"\noptions = [{ id = "x", label = "1", score = 2 }]')),
        "one",
        "thing",
        '"score"',
    ),
    "reserved option id": (
        JOINT + section(block("choice", 'label = "Q"\noptions = [{ id = "b", label = "1" }]')),
        "one",
        "thing",
        "reserved",
    ),
    "unknown list": (JOINT + section(block("pick", 'label = "Q"\nfrom = "nobody"')), "one", "thing", '"nobody"'),
    "list is a number": (JOINT + section(block("pick", 'label = "Q"\nfrom = [1]')), "one", "thing", "no list"),
    "unknown entry": (
        JOINT + section(block("pick", 'label = "Q"\nfrom = "signals"\nids = ["x"]')),
        "one",
        "thing",
        'no "x"',
    ),
    "ids is a number": (
        JOINT + section(block("pick", 'label = "Q"\nfrom = "signals"\nids = 4')),
        "one",
        "thing",
        "ids a list",
    ),
    "unknown text": (
        JOINT + section(block("pick", 'label = "Q"\nfrom = "signals"\nshow = "looks"')),
        "one",
        "thing",
        '"looks"',
    ),
    "table with neither": (JOINT + section(block("table", 'columns = [{id="x",label="1"}]')), "one", "thing", "open"),
    "table with both": (
        JOINT + section(block("table", 'from = "signals"\nopen = 2\ncolumns = [{id="x",label="1"}]')),
        "one",
        "thing",
        "open",
    ),
    "column without options": (
        JOINT + section(block("table", 'open = 2\ncolumns = [{id="x",label="1",type="choice"}]')),
        "one",
        "thing",
        "needs options",
    ),
    "column type": (
        JOINT + section(block("table", 'open = 2\ncolumns = [{id="x",label="1",type="file"}]')),
        "one",
        "thing",
        "type",
    ),
    "column scale to 900": (
        JOINT + section(block("table", 'open = 2\ncolumns = [{id="x",label="1",type="scale",max=900}]')),
        "one",
        "thing",
        "10 at most",
    ),
    "61 open rows": (
        JOINT + section(block("table", 'open = 61\ncolumns = [{id="x",label="1"}]')),
        "one",
        "thing",
        "60",
    ),
    "cycle of three": (
        JOINT + section(block("diagram", KINDS["diagram"].replace("circles", "cycle"))),
        "one",
        "thing",
        "7 nodes",
    ),
    "scale upside down": (
        JOINT + section(block("scale", 'label = "Q"\nmin = 5\nmax = 2')),
        "one",
        "thing",
        "min to max",
    ),
    "scale to 11": (JOINT + section(block("scale", 'label = "Q"\nmax = 11')), "one", "thing", "10 at most"),
    "scale without a point": (
        JOINT + section(block("scale", 'label = "Q"\nmax = 2\npoints = [{id="x",label="1"}]')),
        "one",
        "thing",
        "point",
    ),
    "required is text": (
        JOINT + section(block("prompt", 'label = "Q"\nrequired = "yes"')),
        "one",
        "thing",
        "true or false",
    ),
    "unknown feeds": (JOINT + section(block("prompt", 'label = "Q"\nfeeds = "mood"')), "one", "thing", "feeds"),
    "asked without what": (
        STAFF + section(block("choice", 'label = "Q"\nfeeds = "asked"\n' + YES_NO)),
        "one",
        "thing",
        "what",
    ),
    "asked something else": (
        STAFF + section(block("choice", 'label = "Q"\nfeeds = "asked"\nwhat = "weather"\n' + YES_NO)),
        "one",
        "thing",
        "what",
    ),
    "own sheet with a joint block": (
        OWN + section(block("prompt", 'label = "Q"\naudience = "joint"')),
        "one",
        "thing",
        "one partner",
    ),
    "sheet for all with b's block": (
        BOTH + section(block("prompt", 'label = "Q"\naudience = "b"')),
        "one",
        "thing",
        "one partner",
    ),
    "own sheet with about": (OWN + section(block("prompt", 'label = "Q"\nabout = "b"')), "one", "thing", "one partner"),
    "own sheet, section about": (OWN + section(TELL, more='about = "b"\n'), "one", "tell", "one partner"),
    "per_partner in an own sheet": (OWN + section(TELL, more="per_partner = true\n"), "one", "", "per_partner"),
    "per_partner for both to read": (JOINT + section(TELL, more="per_partner = true\n"), "one", "", "per_partner"),
    "per_partner with a joint block": (
        STAFF + section(TELL + 'audience = "joint"\n', more="per_partner = true\n"),
        "one",
        "tell",
        "per_partner",
    ),
    "per_partner with about": (
        STAFF + section(TELL, more='per_partner = true\nabout = "a"\n'),
        "one",
        "",
        "per_partner",
    ),
    "show_if of a later block": (
        JOINT + section(TELL + 'show_if = { block = "first", is = "yes" }\n', PICK),
        "one",
        "tell",
        "no earlier",
    ),
    "show_if of itself": (
        JOINT + section(PICK + 'show_if = { block = "first", is = "yes" }\n'),
        "one",
        "first",
        "earlier",
    ),
    "show_if names a list": (
        JOINT + section(TELL + "show_if = { block = [], is = 1 }\n"),
        "one",
        "tell",
        "block must be",
    ),
    "show_if is text": (JOINT + section(TELL + 'show_if = "first"\n'), "one", "tell", "show_if needs"),
    "show_if with two tests": (
        JOINT + section(PICK, TELL + 'show_if = { block = "first", is = "yes", is_not = "no" }\n'),
        "one",
        "tell",
        "one of",
    ),
    "show_if of no option": (
        JOINT + section(PICK, TELL + 'show_if = { block = "first", is = "maybe" }\n'),
        "one",
        "tell",
        "no option",
    ),
    "show_if of the wrong kind": (
        JOINT + section(PICK, TELL + 'show_if = { block = "first", at_least = 2 }\n'),
        "one",
        "tell",
        "cannot use",
    ),
    "show_if outside the scale": (
        JOINT + section(block("scale", 'label = "Q"'), TELL + 'show_if = { block = "thing", at_least = 11 }\n'),
        "one",
        "tell",
        "outside",
    ),
    "flow: joint hangs on staff": (
        JOINT + section(PICK + 'audience = "staff"\n', TELL + 'show_if = { block = "first", is = "yes" }\n'),
        "one",
        "tell",
        "may not decide",
    ),
    "flow: joint hangs on a": (
        JOINT + section(PICK + 'audience = "a"\n', TELL + 'show_if = { block = "first", is = "yes" }\n'),
        "one",
        "tell",
        "may not decide",
    ),
    "flow: joint hangs on an answer about a": (
        BOTH.replace(', "a", "b"', "")
        + section(PICK + 'about = "a"\n', TELL + 'show_if = { block = "first", is = "yes" }\n'),
        "one",
        "tell",
        "may not decide",
    ),
    "flow: b hangs on a": (
        JOINT
        + section(PICK + 'audience = "a"\n', TELL + 'audience = "b"\nshow_if = { block = "first", is = "yes" }\n'),
        "one",
        "tell",
        "may not decide",
    ),
    "flow: own hangs on staff": (
        OWN + section(PICK + 'audience = "staff"\n', TELL + 'show_if = { block = "first", is = "yes" }\n'),
        "one",
        "tell",
        "may not decide",
    ),
    "flow: a joint block in a staff section that hangs on staff": (
        STAFF
        + section(PICK)
        + section(TELL + 'audience = "joint"\n', id_="two", more='show_if = { block = "first", is = "yes" }\n'),
        "two",
        "tell",
        "may not decide",
    ),
    "flow: prefill from joint into own": (
        OWN
        + section(block("prompt", 'label = "Q"\nprefill = "homework"\naudience = "staff"'), TELL + 'prefill = "x"\n'),
        "one",
        "tell",
        "prefill",
    ),
    "outside hangs on a per-partner block": (
        STAFF
        + section(PICK, more="per_partner = true\n")
        + section(TELL + 'show_if = { block = "first", is = "yes" }\n', id_="two"),
        "two",
        "tell",
        "for each partner",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_names_file_section_and_block(name: str) -> None:
    source, where, which, problem = FAULTS[name]
    with pytest.raises(DefinitionError) as caught:
        read(source)
    error = caught.value
    assert (error.file, error.section, error.block) == ("sheet.toml", where, which)
    assert problem in error.problem
    assert str(error).startswith("sheet.toml")
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("source", "problem"),
    [(b"#" * 256_001, "256 kB"), (b"\xff\xfe", "UTF-8"), (b"\x00", "valid TOML"), (b"", 'id must be "sheet"')],
)
def test_what_is_no_definition_at_all(source: bytes, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        parse(source, "sheet.toml", LISTS)


@pytest.mark.parametrize(
    "source",
    [
        # staff hangs on anything, a on joint; two per-partner sections see each other
        JOINT + section(PICK, TELL + 'audience = "a"\nshow_if = { block = "first", is = "yes" }\n'),
        JOINT
        + section(PICK + 'audience = "b"\n', TELL + 'audience = "staff"\nshow_if = { block = "first", is = "yes" }\n'),
        STAFF
        + section(PICK, more="per_partner = true\n")
        + section(TELL + 'show_if = { block = "first", is = "yes" }\n', id_="two", more="per_partner = true\n"),
        BOTH + section(TELL + 'audience = "b"\nonly = "couple"\n'),
        BOTH + section(block("scale", 'label = "Q"'), TELL + 'show_if = { block = "thing", at_least = 0 }\n'),
    ],
)
def test_what_the_flow_rule_allows(source: str) -> None:
    assert read(source).blocks["tell"]


def test_per_partner_blocks_stand_twice_each_under_its_own_key() -> None:
    made = read(STAFF + section(TELL, more="per_partner = true\n") + section(PICK, id_="two"))
    assert [(one.name, one.about, one.scope) for one in made.placed("couple")] == [
        ("a.tell", "a", "staff_a"),
        ("b.tell", "b", "staff_b"),
        ("first", "couple", "staff_couple"),
    ]


def test_only_and_recipient_follow_whom_the_record_is_about() -> None:
    made = read(BOTH + section(TELL, PICK + 'only = "couple"\n'))
    assert [(one.name, one.scope) for one in made.placed("couple")] == [("tell", "joint"), ("first", "joint")]
    assert [(one.name, one.scope) for one in made.placed("b")] == [("tell", "b")]


def test_section_about_holds_for_its_blocks() -> None:
    made = read(STAFF + section(TELL, more='about = "a"\n'))
    assert [one.scope for one in made.placed("couple")] == ["staff_a"]


def test_keys_are_stable_and_unlike() -> None:
    made = read(JOINT + section(*(block(kind, lines, f"the_{kind}") for kind, lines in KINDS.items())))
    keys = [text.key for text in made.texts()]
    assert len(keys) == len(set(keys))
    assert "sheet.one.the_prompt.asks.who" in keys
    assert "sheet.one.title" in keys


WORDS = st.sampled_from(
    "id kind title label text show_if block is is_not options from ids show rows columns open audience about only"
    " per_partner feeds what asks fields nodes points shape min max recipients level section version lines note key".split()
)
LEAVES = st.one_of(
    st.sampled_from(
        [*ALLOWED, "joint", "a", "staff", "recipient", "couple", "signals", "yes", "sheet", "one", "asked"]
    ),
    st.integers(-3, 12),
    st.booleans(),
    st.text(max_size=6),
    st.none(),
    st.floats(),
)
DATA: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(WORDS, deeper, max_size=6), max_leaves=20
)


def nearly() -> dict[str, Any]:
    """A good definition as data, to be spoilt."""
    made = read(JOINT + section(PICK, *(block(kind, lines, f"the_{kind}") for kind, lines in KINDS.items())))
    found: dict[str, Any] = json.loads(made.data)
    return found


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 13), st.sampled_from(["top", "section", "block"]), WORDS, DATA)
def test_a_spoilt_definition_raises_nothing_but_definition_errors(
    which: int, level: str, name: str, value: Any
) -> None:
    data = nearly()
    part = data if level == "top" else data["section"][0]
    if level == "block":
        part = part["block"][which]
    part[name] = value
    source = "\n".join(f"{key} = {toml(one)}" for key, one in data.items())
    try:
        made = parse(source.encode("utf-8", "surrogatepass"), "sheet.toml", LISTS)
    except DefinitionError:
        return
    assert stored(made.data) == made


def toml(value: Any) -> str:
    """Data as inline TOML; None becomes a date, which no definition holds."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if value is None:
        return "2026-01-01"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode))
def test_any_bytes_raise_nothing_but_definition_errors(source: bytes) -> None:
    with pytest.raises(DefinitionError):
        parse(source, "sheet.toml", LISTS)


VISIBLE = st.characters().filter(lambda character: not hidden(character))


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(14)), st.text(VISIBLE, min_size=1, max_size=40).filter(str.strip))
def test_canonical_text_brings_the_same_definition_back(order: list[int], words: str) -> None:
    data = nearly()
    blocks = data["section"][0]["block"]
    data["section"][0]["block"] = [blocks[n] for n in order]
    made = build({**data, "title": words}, "sheet.toml")
    assert stored(made.data) == made
    shuffled = dict(reversed(json.loads(made.data).items()))
    assert canonical(shuffled) == made.data


@pytest.mark.parametrize(
    ("kind", "lines", "why"),
    [
        ("prompt", 'label = "x"\nprefill = "released"', "no other block"),
        ("shared", KINDS["shared"].replace('"released"', '"map.cycle"'), "prefill"),
        ("shared", KINDS["shared"].replace("from_b", "from_c"), "from_a and from_b"),
        ("shared", KINDS["shared"] + '\naudience = "staff"', ""),
    ],
)
def test_only_a_shared_block_takes_what_was_released(kind: str, lines: str, why: str) -> None:
    if not why:  # joint flows to everybody
        assert read(JOINT + section(block(kind, lines))).blocks["thing"].audience == "staff"
        return
    with pytest.raises(DefinitionError, match=why):
        read(JOINT + section(block(kind, lines)))
