"""What gunicorn serves in tests of several processes: the application, and in each reply which process it came from."""

import os

from flask import Flask, Response, request

from tests.security.edge_server import PDF


def app() -> Flask:
    """As `clinic.wsgi.app`, with a sheet of 3 MB and a page that fails."""
    from clinic import wsgi
    from clinic.services import print_sheet
    from clinic.services.print_sheet import Printed

    def big(*_: object, **__: object) -> Printed:
        return Printed(PDF, "ABCDEFGHJ.pdf", "ABCDEFGHJ")

    print_sheet.filled = big
    made = wsgi.app()

    @made.before_request
    def broken() -> None:
        if "X-Words" in request.headers:
            raise RuntimeError("words of a couple: " + request.headers["X-Words"])

    @made.after_request
    def named(response: Response) -> Response:
        response.headers["X-Process"] = str(os.getpid())
        return response

    return made
