"""Make Arabic lam-alef readable letter by letter in a PDF. Set-up only: works on a fontTools font.

In the file one glyph stands for both letters, and readers, which walk right-to-left text a letter at a time,
turn the pair round. So the lookup that joins them is rebuilt: lam becomes the joined drawing, alef an empty
glyph. Next to a vowel mark the pair stays the one glyph that carries the mark's anchors. Every other joined
pair of the feature is decoration and is dropped.
"""

from collections.abc import Iterator
from typing import Any

LAM = 0x644
ALEFS = frozenset({0x622, 0x623, 0x625, 0x627, 0x671})
FORMS = frozenset({"init", "medi", "fina"})
MARK = 3  # glyph class in GDEF
NARROW = 5  # font units: some readers skip a glyph without width

Pairs = dict[str, dict[str, str]]  # alef -> lam -> joined drawing


def take_apart(font: Any) -> None:
    """Rebuild each lam-alef lookup of the `rlig` feature in place."""
    from fontTools.otlLib import builder

    table = font["GSUB"].table
    kinds = font["GDEF"].table.GlyphClassDef.classDefs
    marks = sorted(glyph for glyph, kind in kinds.items() if kind == MARK)
    letters = _letters(font)
    for number in sorted(_lookups_of(table, {"rlig"})):
        old = table.LookupList.Lookup[number]
        pairs = _lam_alef(old, letters)
        if not pairs:
            continue
        empty = {alef: _empty_glyph(font, alef) for alef in sorted(pairs)}
        chain = builder.ChainContextSubstBuilder(font, None)
        whole = builder.LigatureSubstBuilder(font, None)
        whole.lookupflag = old.LookupFlag
        for alef, drawings in sorted(pairs.items()):
            draw, hide = builder.SingleSubstBuilder(font, None), builder.SingleSubstBuilder(font, None)
            draw.mapping, hide.mapping = dict(sorted(drawings.items())), {alef: empty[alef]}
            for single in (draw, hide):
                single.lookup_index = _append(table, single.build())
            pair = [sorted(drawings), [alef]]
            chain.rules.append(builder.ChainContextualRule([], pair, [marks], [None, None]))
            chain.rules.append(builder.ChainContextualRule([], pair, [], [[draw], [hide]]))
            whole.ligatures |= {(lam, alef): drawing for lam, drawing in sorted(drawings.items())}
        table.LookupList.Lookup[number] = chain.build()
        _also(table, number, _append(table, whole.build()))
    table.LookupList.LookupCount = len(table.LookupList.Lookup)


def _lookups_of(table: Any, tags: set[str] | frozenset[str]) -> set[int]:
    records = [record for record in table.FeatureList.FeatureRecord if record.FeatureTag in tags]
    return {number for record in records for number in record.Feature.LookupListIndex}


def _subtables(lookup: Any) -> Iterator[Any]:
    return (getattr(table, "ExtSubTable", table) for table in lookup.SubTable)


def _letters(font: Any) -> dict[str, int]:
    """Glyph -> letter. Joining forms count as their letter, although most have a code point of their own."""
    codes: dict[str, int] = {glyph: code for code, glyph in font.getBestCmap().items()}
    table = font["GSUB"].table
    for number in _lookups_of(table, FORMS):
        for subtable in _subtables(table.LookupList.Lookup[number]):
            for isolated, form in getattr(subtable, "mapping", {}).items():
                if isolated in codes:
                    codes[form] = codes[isolated]
    return codes


def _lam_alef(lookup: Any, letters: dict[str, int]) -> Pairs:
    pairs: Pairs = {}
    for subtable in _subtables(lookup):
        for first, ligatures in getattr(subtable, "ligatures", {}).items():
            for ligature in ligatures:
                rest = [letters.get(glyph) for glyph in ligature.Component]
                if letters.get(first) == LAM and len(rest) == 1 and rest[0] in ALEFS:
                    pairs.setdefault(ligature.Component[0], {})[first] = ligature.LigGlyph
    return pairs


def _empty_glyph(font: Any, alef: str) -> str:
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    name = f"{alef}.joined"
    font["glyf"][name] = Glyph()
    font["hmtx"][name] = (NARROW, 0)
    font.getReverseGlyphMap(rebuild=True)
    return name


def _append(table: Any, lookup: Any) -> int:
    table.LookupList.Lookup.append(lookup)
    return len(table.LookupList.Lookup) - 1


def _also(table: Any, beside: int, number: int) -> None:
    """Add a lookup to each feature that has lookup `beside`."""
    for record in table.FeatureList.FeatureRecord:
        if beside in record.Feature.LookupListIndex:
            record.Feature.LookupListIndex = sorted({*record.Feature.LookupListIndex, number})
            record.Feature.LookupCount = len(record.Feature.LookupListIndex)
