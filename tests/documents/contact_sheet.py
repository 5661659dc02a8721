"""All sheets at one look: `python -m tests.documents.contact_sheet [--locale ar] [--size large] …` writes PNGs.

One row for each sheet and recipient, its pages side by side; one picture for each locale, for a person to look at.
Prints the pages of each sheet and how far down each is used, so that half-empty pages can be found in a list too.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from clinic import documents
from clinic.documents import Fonts, Options
from clinic.domain.audience import About
from clinic.domain.page import Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services.definitions import definitions

from . import samples

GAP = 12  # px between pages
DESK = (138, 143, 152)
FOOT = 0.93  # share of the height above the footer

Row = tuple[str, list[Image.Image]]


def main(arguments: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    fonts.install()
    args.out.mkdir(parents=True, exist_ok=True)
    press = Press()
    press.start()
    try:
        for locale in args.locale or ["en"]:
            tags = [locale, args.beside] if args.beside not in ("", locale) else [locale]
            rows = [(label, _pictures(press, page, args.dpi)) for label, page in _pages(tags, args)]
            for place in range(0, len(rows), args.rows):
                name = f"{'+'.join(tags)}-{args.state}-{place // args.rows + 1:02}.png"
                _together(rows[place : place + args.rows]).save(args.out / name)
            for label, pictures in rows:
                print("+".join(tags), label, *(f"{used(one):.0%}" for one in pictures))
    finally:
        press.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="contact_sheet", description=__doc__)
    parser.add_argument("--locale", action="append", help="may be repeated; en if there is none")
    parser.add_argument("--with", dest="beside", default="", help="second language")
    parser.add_argument("--only", action="append", help="id of a definition; may be repeated")
    parser.add_argument("--state", choices=("blank", "filled", "half"), default="blank")
    parser.add_argument("--paper", choices=("a4", "letter"), default="a4")
    parser.add_argument("--size", choices=("normal", "large"), default="normal")
    parser.add_argument("--ink", choices=("full", "saver"), default="full")
    parser.add_argument("--draft", action="store_true")
    parser.add_argument("--dpi", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1000, help="sheets in one picture")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    return parser


def _pages(tags: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[str, Page]]:
    books = [catalogue(tag) for tag in tags]
    stacks = Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})
    options = Options(args.paper, args.size == "large", args.ink, args.draft)
    for name, definition in sorted(definitions().items()):
        if args.only and name not in args.only:
            continue
        for recipient in definition.recipients:
            if recipient == "b" and "a" in definition.recipients:  # looks as a's
                continue
            about: About = "couple" if recipient == "joint" else recipient
            answers = None
            if args.state != "blank":
                answers = samples.answers(definition, about, half=args.state == "half")
            sheet = documents.sheet(definition, answers, recipient, about)
            yield f"{name} {recipient}", documents.page(sheet, books, options, "K7QM2XTPA", fonts=stacks)


def _pictures(press: Press, page: Page, dpi: int) -> list[Image.Image]:
    with press.child() as child:
        return [Image.open(io.BytesIO(png)).convert("RGB") for png in press.images(page, child, dpi)]


def _together(rows: Sequence[Row]) -> Image.Image:
    """Rows of pages on a grey desk, each under its label."""
    width = max(sum(one.width + GAP for one in pictures) for _, pictures in rows) + GAP
    height = sum(max(one.height for one in pictures) + 2 * GAP for _, pictures in rows) + GAP
    desk = Image.new("RGB", (width, height), DESK)
    pen, top = ImageDraw.Draw(desk), GAP
    for label, pictures in rows:
        pen.text((GAP, top - 1), label, fill="white")
        left = GAP
        for one in pictures:
            desk.paste(one, (left, top + GAP))
            left += one.width + GAP
        top += max(one.height for one in pictures) + 2 * GAP
    return desk


def used(picture: Image.Image) -> float:
    """How far down a page there is anything above the footer, as a share of its height."""
    body = picture.crop((0, 0, picture.width, int(picture.height * FOOT)))
    found = ImageChops.difference(body, Image.new("RGB", body.size, "white")).getbbox()
    return found[3] / picture.height if found else 0.0


if __name__ == "__main__":
    main()
