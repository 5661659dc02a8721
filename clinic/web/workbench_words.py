"""What the pages of the workbench call things: groups, states, filters, places of a sentence, forms, faults."""

from typing import Final

from flask_babel import lazy_gettext

NAMES_OF: Final = {
    "library-signals": lazy_gettext("Library: signals"),
    "library-mechanisms": lazy_gettext("Library: mechanisms"),
    "library-sources": lazy_gettext("Library: sources of strain"),
    "library-aims": lazy_gettext("Library: aims"),
    "library-steps": lazy_gettext("Library: steps"),
    "library-practices": lazy_gettext("Library: practices"),
    "library-pitfalls": lazy_gettext("Library: habits that hurt"),
    "library-strategies": lazy_gettext("Library: strategies"),
    "library-suggestion": lazy_gettext("Library: reasons for a suggestion"),
    "words-sheet": lazy_gettext("Words on every sheet"),
    "words-errors": lazy_gettext("Errors and reminders"),
    "pages-every": lazy_gettext("Every page, and help"),
    "pages-sign-in": lazy_gettext("Sign-in and account"),
    "pages-cases": lazy_gettext("Cases, map and course"),
    "pages-records": lazy_gettext("Records and forms"),
    "pages-print": lazy_gettext("Printing, packs and homework"),
    "pages-desk": lazy_gettext("Team, waiting, audit and rights"),
    "pages-translate": lazy_gettext("The workbench"),
    "pages-other": lazy_gettext("Other pages"),
}
KINDS: Final = (
    (("sheet",), lazy_gettext("Handouts")),
    (("form", "library", "words"), lazy_gettext("Forms, library and shared words")),
    (("pages",), lazy_gettext("Words of the pages")),
)
STATE_NAMES: Final = {
    "untranslated": lazy_gettext("Untranslated"),
    "changed": lazy_gettext("Source changed"),
    "draft": lazy_gettext("Draft"),
    "reviewed": lazy_gettext("Reviewed"),
    "approved": lazy_gettext("Approved"),
}
# tone and icon of a state, as `ui.state` takes them
STATE_LOOKS: Final = {
    "untranslated": ("", "dash"),
    "changed": ("warn", "sync"),
    "draft": ("warn", "pen"),
    "reviewed": ("ok", "check"),
    "approved": ("ok", "shield"),
}
FILTER_NAMES: Final = {
    "all": lazy_gettext("All"),
    "todo": lazy_gettext("To do"),
    "untranslated": lazy_gettext("Untranslated"),
    "changed": lazy_gettext("Source changed"),
    "failing": lazy_gettext("Check fails"),
    "review": lazy_gettext("To review"),
    "mine": lazy_gettext("Mine"),
}
PART_NAMES: Final = {
    "title": lazy_gettext("title"),
    "lead": lazy_gettext("opening lines"),
    "who": lazy_gettext("line above the title"),
    "label": lazy_gettext("question"),
    "hint": lazy_gettext("hint"),
    "text": lazy_gettext("paragraph"),
    "stem": lazy_gettext("words above a table"),
    "low": lazy_gettext("low end of a scale"),
    "high": lazy_gettext("high end of a scale"),
    "center": lazy_gettext("middle of a drawing"),
    "alt": lazy_gettext("description of a drawing, read aloud"),
    "options": lazy_gettext("choice"),
    "rows": lazy_gettext("row of a table"),
    "columns": lazy_gettext("head of a column"),
    "asks": lazy_gettext("line to write on"),
    "points": lazy_gettext("point of a scale"),
    "fields": lazy_gettext("field"),
    "nodes": lazy_gettext("box of a drawing"),
    "step_title": lazy_gettext("title of a step"),
    "step_hint": lazy_gettext("hint of a step"),
    "interface": lazy_gettext("on the screen"),
    "word": lazy_gettext("shared word"),
}
VARIANT_NAMES: Final = {
    "f": lazy_gettext("spoken to a woman"),
    "m": lazy_gettext("spoken to a man"),
    "formal": lazy_gettext("formal address"),
}
PLURAL_NAMES: Final = {
    "zero": lazy_gettext("Form for zero"),
    "one": lazy_gettext("Form for one"),
    "two": lazy_gettext("Form for two"),
    "few": lazy_gettext("Form for a few"),
    "many": lazy_gettext("Form for many"),
    "other": lazy_gettext("Form for other numbers"),
}
# What made a line of the history, where its state does not say it.
WHY_NAMES: Final = {
    "file": lazy_gettext("from the program’s file"),
    "import": lazy_gettext("from a file that was brought back"),
    "restore": lazy_gettext("restored"),
    "merge": lazy_gettext("chosen from two versions"),
}
WHY_NOT: Final = {
    "untranslated": lazy_gettext("Sentences are missing."),
    "changed": lazy_gettext("The English has changed since."),
    "draft": lazy_gettext("Nobody has reviewed it yet."),
    "reviewed": lazy_gettext("It is not approved yet."),
}
WRONG: Final = {
    "comment": {
        "required": lazy_gettext("Write something first."),
        "too_long": lazy_gettext("This is too long. Say it in at most 1,000 characters."),
    },
    "reason": {
        "required": lazy_gettext("Give a reason. Others will read it."),
        "too_long": lazy_gettext("This is too long. Say it in at most 300 characters."),
    },
}
