"""A definition and the answers one recipient may read, as a frozen `Sheet`, then as a `Page` of HTML and CSS."""

from clinic.documents.page import Fonts, Options, page
from clinic.documents.sheet import Part, Sheet, Step, added, sheet, strings, told

__all__ = ["Fonts", "Options", "Part", "Sheet", "Step", "added", "page", "sheet", "strings", "told"]
