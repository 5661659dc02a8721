"""The words on the pages of a PDF, for what comes back from another machine. Only press children import this."""

import pypdfium2


def on_every_page(content: bytes, word: str) -> bool:
    """Whether this word, such as the code of a sheet, stands on each of its pages."""
    with pypdfium2.PdfDocument(content) as opened:
        return len(opened) > 0 and all(word in _words(page) for page in opened)


def _words(page: pypdfium2.PdfPage) -> str:
    text = page.get_textpage()
    try:
        return str(text.get_text_range())
    finally:
        text.close()
        page.close()
