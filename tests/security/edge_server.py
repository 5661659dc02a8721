"""A served clinic in a process of its own, for tests that look at it from outside: its log, its files.

Run as a program: instance, key, port, mode. `default` serves with the limits that waitress has by itself, so that the
tests can show what they look for.
"""

import sys
from pathlib import Path
from typing import Any

BIG = 20 * 1024 * 1024  # as large as a PDF may be
CANARY = "ZQedgeQZ"
PDF = b"%PDF-1.7\n" + f"% {CANARY}\n".encode() * (BIG // (len(CANARY) + 3))


def main(folder: str, port: int, mode: str) -> None:
    """Serve until killed."""
    from clinic import app as application
    from clinic import config
    from clinic.services import cases, print_sheet
    from clinic.services.print_sheet import Printed

    def broken(*_: object, **__: object) -> Any:
        from flask import request

        raise RuntimeError("words of a couple: " + request.headers.get("X-Words", ""))

    def big(*_: object, **__: object) -> Printed:
        return Printed(PDF, "ABCDEFGHJ.pdf", "ABCDEFGHJ")

    cases.caseload_page = broken
    print_sheet.filled = big
    if mode == "default":
        import waitress
        from flask import Response

        from clinic.web import sheets

        sheets._file = lambda printed: Response(printed.pdf, mimetype="application/pdf")
        real = waitress.create_server

        def with_defaults(app: Any, **named: Any) -> Any:
            return real(app, listen=named["listen"], threads=4)

        waitress.create_server = with_defaults
    made = application.create_app

    def create_app(*values: Any) -> Any:
        app = made(*values)
        inner = app.wsgi_app

        def wsgi(environ: Any, start: Any) -> Any:
            if environ["PATH_INFO"].startswith("/boom"):  # waitress itself logs this one
                raise ValueError(environ["PATH_INFO"])
            return inner(environ, start)

        app.wsgi_app = wsgi
        return app

    application.create_app = create_app
    application.serve(config.load(Path(folder), {}), port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
