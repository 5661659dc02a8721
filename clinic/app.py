"""The web application: create_app is a short list of configure steps, in order."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from flask import Flask, Request, Response, request

from clinic import resources
from clinic.config import Settings
from clinic.domain.errors import Usage
from clinic.persistence import keyholder
from clinic.persistence.store import Store
from clinic.press.press import Press

BODY_BYTES = 4 * 1024 * 1024
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A browser's own PDF viewer writes styles of its own into the page it makes.
PDF_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # not no-referrer: the CSRF check of HTTPS requests reads it
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class InMemory(Request):
    """A request whose files stay in memory: Werkzeug writes larger ones to a temporary file in clear."""

    def _get_file_stream(self, *_: object, **__: object) -> BytesIO:
        return BytesIO()


def create_app(settings: Settings, store: Store, press: Press) -> Flask:
    """The application of one clinic. Store and press are made by the caller, the press first: it must hold no key."""
    app = Flask("clinic", template_folder=str(resources.templates()), static_folder="static", instance_path="/")
    configure_flask(app, store)
    configure_keys(app)
    configure_language(app)
    configure_templates(app)
    configure_views(app)
    configure_errors(app)
    configure_replies(app)
    app.extensions["clinic"] = {"settings": settings, "store": store, "press": press}
    return app


def configure_flask(app: Flask, store: Store) -> None:
    """Limits and cookies. FLASK_DEBUG is ignored on purpose."""
    app.debug = False
    app.request_class = InMemory
    app.config.update(
        SECRET_KEY=store.web_secret(),
        MAX_CONTENT_LENGTH=BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=BODY_BYTES,
        MAX_FORM_PARTS=5000,
        SESSION_COOKIE_NAME="clinic_page",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open all afternoon; the session's own limits hold
        TRUSTED_HOSTS=["localhost", "127.0.0.1", "[::1]"],
    )
    from flask_wtf.csrf import CSRFProtect

    CSRFProtect(app)


def configure_keys(app: Flask) -> None:
    """One purpose and one case a request; all views close at its end, error pages included."""
    answer = app.wsgi_app

    def within_one_request(environ: Any, start_response: Any) -> Any:
        with keyholder.request():
            return answer(environ, start_response)

    app.wsgi_app = within_one_request  # type: ignore[method-assign]


def configure_language(app: Flask) -> None:
    """The reader's language for the interface; a sheet's language is always an argument."""
    from flask_babel import Babel

    from clinic.i18n.compiling import compile_po
    from clinic.web import language

    for po in sorted(resources.translations().glob("*/LC_MESSAGES/messages.po")):
        compile_po(po)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(resources.translations())
    Babel(app, locale_selector=language.folder)


def configure_templates(app: Flask) -> None:
    """StrictUndefined: a name that is missing is an error, never an empty place on a page."""
    from jinja2 import StrictUndefined

    from clinic.web import filters

    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    filters.register(app)


def configure_views(app: Flask) -> None:
    """Blueprints by feature; every view needs a signed-in person unless it says otherwise."""
    from clinic.web import auth, cases, formulation, pages, records, sheets

    for feature in (auth, cases, records, formulation, sheets, pages):
        app.register_blueprint(feature.bp)
    auth.require(app)


def configure_errors(app: Flask) -> None:
    """Errors that people see: one plain page, never a trace."""
    from clinic.web import problems

    problems.register(app)


def configure_replies(app: Flask) -> None:
    """Headers of every reply. Static files may be kept, nothing else."""

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value  # also over what send_file wrote: a PDF is not kept either
        # Set, not left to a default: a PDF comes with a line of its own, by which a browser would keep a copy.
        response.headers["Cache-Control"] = "no-cache" if request.endpoint == "static" else HEADERS["Cache-Control"]
        if response.mimetype == "application/pdf":
            response.headers["Content-Security-Policy"] = PDF_POLICY
        return response


def serve(settings: Settings, port: int | None = None, greeting: str = "") -> None:
    """Serve until interrupted. The press starts first, then the keys are opened."""
    import waitress

    from clinic.services.warm import warm_pages

    press = Press(warm_pages())
    press.start()
    try:
        app = create_app(settings, Store.open(settings), press)
        # Buffers above the body limit: waitress writes larger ones to a temporary file in clear.
        # Its own limit is above ours, so that a body just too large gets a page and not a line of text.
        limits: dict[str, Any] = {
            "inbuf_overflow": 4 * BODY_BYTES,
            "outbuf_overflow": 64 * BODY_BYTES,
            "max_request_body_size": 3 * BODY_BYTES,
        }
        listen = f"{settings.host}:{settings.port if port is None else port}"
        try:
            server = waitress.create_server(app, listen=listen, threads=6, ident=None, **limits)
        except OSError as error:
            raise Usage(f"{listen} cannot be served ({error.strerror}). Choose another port with --port.") from None
        if greeting:
            print(greeting, flush=True)
        server.run()
    finally:
        press.stop()
