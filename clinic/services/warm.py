"""The pages the press draws once at its start, so that children find styles parsed and fonts loaded."""

from clinic.domain.page import Page
from clinic.services.definitions import definitions
from clinic.services.laying_out import warm_page
from clinic.services.prints import PrintJob

WARM = (("our_cycle", "en"), ("our_cycle", "ar"))


def warm_pages() -> list[Page]:
    """Blank sheets only: a zygote never sees an answer."""
    return [warm_page(PrintJob(sheet, locale=tag)) for sheet, tag in WARM if sheet in definitions()]
