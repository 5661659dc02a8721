"""All sheets at one look: `python -m tests.documents.contact_sheet [--locale ar] [--size large] …` writes PNGs.

Every sheet for every recipient, one picture for each locale, for a person to look at. Prints how far down each page
is used, so that half-empty pages can be found in a list too.
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

Named = tuple[str, Image.Image]


def main(arguments: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    fonts.install()
    args.out.mkdir(parents=True, exist_ok=True)
    press = Press()
    press.start()
    try:
        for locale in args.locale or ["en"]:
            tags = [locale, args.beside] if args.beside not in ("", locale) else [locale]
            pages: list[Named] = []
            for label, page in _pages(tags, args):
                pictures = _pictures(press, page, args.dpi)
                print("+".join(tags), label, *(f"{used(one):.0%}" for one in pictures))
                pages += [(f"{label} {number}", one) for number, one in enumerate(pictures, 1)]
            for place in range(0, len(pages), args.most):
                name = f"{'+'.join(tags)}-{args.state}-{place // args.most + 1:02}.png"
                _together(pages[place : place + args.most], args.across).save(args.out / name)
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
    parser.add_argument("--across", type=int, default=8, help="pages in a row")
    parser.add_argument("--most", type=int, default=1000, help="pages in one picture")
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


def _together(pages: Sequence[Named], across: int) -> Image.Image:
    """Pages on a grey desk in reading order, each under its name."""
    wide, high = (max(sizes) + GAP for sizes in zip(*(one.size for _, one in pages), strict=True))
    down = -(-len(pages) // across)
    desk = Image.new("RGB", (across * wide + GAP, down * (high + GAP) + GAP), DESK)
    pen = ImageDraw.Draw(desk)
    for place, (name, one) in enumerate(pages):
        left, top = GAP + place % across * wide, GAP + place // across * (high + GAP)
        pen.text((left, top - 1), name, fill="white")
        desk.paste(one, (left, top + GAP))
    return desk


def used(picture: Image.Image) -> float:
    """How far down a page there is anything above the footer, as a share of its height."""
    body = picture.crop((0, 0, picture.width, int(picture.height * FOOT)))
    found = ImageChops.difference(body, Image.new("RGB", body.size, "white")).getbbox()
    return found[3] / picture.height if found else 0.0


if __name__ == "__main__":
    main()
