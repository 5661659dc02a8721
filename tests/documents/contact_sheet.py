"""All sheets at one look: `python -m tests.documents.contact_sheet --out FOLDER` writes one PNG for each language.

The worksheets for every reader, for a person to look at; each page under its number. Prints how far down each page is
used, and what the checker of pages finds. With `--one`, each for one reader: the pictures of README are made by
`python -m tests.documents.contact_sheet --one --dpi 40 --across 10 --out .github`.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from clinic import documents, resources
from clinic.documents import Fonts, Options
from clinic.domain.audience import About
from clinic.domain.page import Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services.definitions import definitions
from tests import layout

from . import samples

GAP = 12  # px between pages
DESK = (138, 143, 152)
COLOURS = 48

Named = tuple[str, Image.Image]


def main(arguments: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    fonts.install()
    args.out.mkdir(parents=True, exist_ok=True)
    press = Press()
    press.start()
    try:
        for locale in args.locale or ["en", "es", "ar"]:
            tags = [locale, args.beside] if args.beside not in ("", locale) else [locale]
            pages: list[Named] = []
            for label, page in _pages(tags, args):
                content, pictures = _pictures(press, page, args.dpi)
                sides = layout.sides(content)
                print("+".join(tags), label, *(f"{side.used:.0%}" for side in sides), *layout.faults(sides))
                pages += [(f"{label} {number}", one) for number, one in enumerate(pictures, 1)]
            whole = _together(pages, args.across)
            whole.quantize(COLOURS, dither=Image.Dither.NONE).save(args.out / _name(tags, args), optimize=True)
    finally:
        press.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="contact_sheet", description=__doc__)
    parser.add_argument("--locale", action="append", help="may be repeated; en, es and ar if there is none")
    parser.add_argument("--with", dest="beside", default="", help="second language")
    parser.add_argument("--only", action="append", help="id of a definition; may be repeated")
    parser.add_argument("--state", choices=("blank", "filled", "half"), default="blank")
    parser.add_argument("--paper", choices=("a4", "letter"), default="a4")
    parser.add_argument("--size", choices=("normal", "large"), default="normal")
    parser.add_argument("--ink", choices=("full", "saver"), default="full")
    parser.add_argument("--draft", action="store_true")
    parser.add_argument("--dpi", type=int, default=50)
    parser.add_argument("--across", type=int, default=8, help="pages in a row")
    parser.add_argument("--one", action="store_true", help="each for one reader: both partners, if it is for them")
    parser.add_argument("--forms", action="store_true", help="every other definition as well")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    return parser


def _pages(tags: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[str, Page]]:
    books = [catalogue(tag) for tag in tags]
    stacks = Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})
    options = Options(args.paper, args.size == "large", args.ink, args.draft)
    sheets = {path.stem for path in (resources.forms() / "worksheets").glob("*.toml")}
    for name, definition in sorted(definitions().items()):
        if name not in (args.only or (definitions() if args.forms else sheets)):
            continue
        for recipient in definition.recipients[: 1 if args.one else None]:
            if recipient == "b" and "a" in definition.recipients:  # looks as a's
                continue
            about: About = "couple" if recipient == "joint" else recipient
            answers = None
            if args.state != "blank":
                answers = samples.answers(definition, about, half=args.state == "half")
            sheet = documents.sheet(definition, answers, recipient, about)
            yield f"{name} {recipient}", documents.page(sheet, books, options, "K7QM2XTPA", fonts=stacks)


def _name(tags: Sequence[str], args: argparse.Namespace) -> str:
    usual = {"state": "blank", "paper": "a4", "size": "normal", "ink": "full"}
    special = [getattr(args, key) for key, value in usual.items() if getattr(args, key) != value]
    return "-".join(["sheets", "+".join(tags), *special]) + ".png"


def _pictures(press: Press, page: Page, dpi: int) -> tuple[bytes, list[Image.Image]]:
    with press.child() as child:
        content = press.pdf(page, child)
        return content, [Image.open(io.BytesIO(png)).convert("RGB") for png in press.images(content, child, dpi)]


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


if __name__ == "__main__":
    main()
