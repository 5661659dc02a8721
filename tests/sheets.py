"""The page that would go to the press, for tests: `from tests.sheets import page_of`."""

from clinic.domain.page import Page
from clinic.persistence.store import Store
from clinic.services import print_sheet
from clinic.services.prints import PrintJob


def page_of(store: Store, token: str, case: str, job: PrintJob, print_when: str = "reviewed", code: str = "") -> Page:
    """What `print_sheet` opens and lays out, not yet drawn. Raises what printing raises."""
    return print_sheet.laid_out(print_sheet.opened(store, token, case, job, print_when), code)
