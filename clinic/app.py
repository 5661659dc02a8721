"""The web application: create_app is a short list of configure steps, in order.

`wsgi_app` is replaced where something goes round every request, as Flask documents it; mypy calls that a method.
"""

import gc
import secrets
import socket
import sys
from datetime import timedelta
from io import BytesIO
from threading import Event
from typing import Any

from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue

from clinic import logs, resources
from clinic.config import Settings
from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import keyholder
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.settling import Settling

BODY_BYTES = 4 * 1024 * 1024
LARGER = {"workbench.exchange": 9 * 1024 * 1024}  # a translator's file of 8 MB, and the form round it
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A page of the workbench holds a drawing of a sheet in a frame; what is in the frame runs nothing and reaches nothing.
HOLDS_FRAME = POLICY + "; frame-src 'self'"
IN_FRAME = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
FRAMED = {"workbench.edit": HOLDS_FRAME, "workbench.preview": IN_FRAME}
# A browser's own PDF viewer writes styles of its own into the page it makes.
PDF_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # not no-referrer: a check of who made a request may need it
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
TLS_ONLY = "max-age=31536000"
CLOSED = "clinic.closed"  # in a request's environ: nobody has unlocked the records yet
THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


class InMemory(Request):
    """A request whose files stay in memory: Werkzeug writes larger ones to a temporary file in clear."""

    def _get_file_stream(self, *_: object, **__: object) -> BytesIO:
        return BytesIO()


class Clinic(Flask):
    """An application whose replies leave only after the views that they show were noted."""

    def full_dispatch_request(self) -> Response:
        """As Flask: what is asked before, the view, error pages, headers. Then the audit; if it fails, its error page.

        All replies come from here, and none is made while it is sent. An error page shows nothing of a case.
        """
        from clinic.services.unit_of_work import noted_together
        from clinic.web.clinic import store

        try:
            with noted_together(store()):
                return super().full_dispatch_request()
        except Exception as error:
            return self.finalize_request(self.handle_user_exception(error))


def create_app(settings: Settings, store: Store, press: Press) -> Flask:
    """The application of one clinic. Store and press are made by the caller, the press first: it must hold no key."""
    app = Clinic("clinic", template_folder=str(resources.templates()), static_folder="static", instance_path="/")
    logs.attach(app)
    configure_flask(app, settings, store)
    configure_keys(app)
    configure_opening(app, store)
    configure_turns(app)
    configure_language(app)
    configure_templates(app)
    configure_views(app)
    configure_errors(app)
    configure_replies(app)
    app.extensions["clinic"] = {"settings": settings, "store": store, "press": press}
    return app


def configure_flask(app: Flask, settings: Settings, store: Store) -> None:
    """Limits, cookies and names. FLASK_DEBUG is ignored on purpose."""
    from clinic.web import csrf, session

    tls = bool(settings.tls)
    app.debug = False
    app.request_class = InMemory
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),  # until the keyholder is open: `configure_opening`
        MAX_CONTENT_LENGTH=BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=BODY_BYTES,
        MAX_FORM_PARTS=5000,
        SESSION_COOKIE_NAME=session.cookie(session.PAGE, tls),
        SESSION_COOKIE_HTTPONLY=True,
        # Lax: it holds no right to anything, and a link from elsewhere must not take a browser's name from it.
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=tls,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        PREFERRED_URL_SCHEME="https" if tls else "http",
        TRUSTED_HOSTS=sorted({*THIS_MACHINE, settings.name}),
    )
    csrf.register(app)

    @app.url_value_preprocessor  # before anything reads a form
    def larger(endpoint: str | None, _values: object) -> None:
        if endpoint in LARGER:
            request.max_content_length = LARGER[endpoint]

    if tls:
        from werkzeug.middleware.proxy_fix import ProxyFix

        # One hop, and never the host: that the proxy hands on as it is, and the list above is asked.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0)  # type: ignore[method-assign]  # as Flask's manual says


def configure_keys(app: Flask) -> None:
    """One purpose and one case a request; all views close at its end, error pages included."""
    answer = app.wsgi_app

    def within_one_request(environ: Any, start_response: Any) -> Any:
        with keyholder.request():
            return answer(environ, start_response)

    app.wsgi_app = within_one_request  # type: ignore[method-assign]  # as above


def configure_turns(app: Flask) -> None:
    """Around everything: a few pages at a time."""
    from clinic.web import turns

    app.wsgi_app = turns.in_turns(app.wsgi_app, turns.Turns())  # type: ignore[method-assign]  # as above


def configure_opening(app: Flask, store: Store) -> None:
    """While the keyholder is locked, one neutral page and nothing else; what cookies are signed with comes from it."""
    from clinic.web import problems

    answer, signed = app.wsgi_app, Event()

    def opened_first(environ: Any, start_response: Any) -> Any:
        try:
            environ[CLOSED] = not store.keyholder.opened()
            if not (environ[CLOSED] or signed.is_set()):
                app.config["SECRET_KEY"] = store.web_secret()
                signed.set()
        except VaultLocked:
            environ[CLOSED] = True
        return answer(environ, start_response)

    def closed() -> ResponseReturnValue | None:
        return problems.closed() if request.environ.get(CLOSED) and request.endpoint != "static" else None

    app.wsgi_app = opened_first  # type: ignore[method-assign]  # as above
    app.before_request(closed)


def configure_language(app: Flask) -> None:
    """The reader's language for the interface; a sheet's language is always an argument."""
    from clinic.web import language

    language.register(app)


def configure_templates(app: Flask) -> None:
    """StrictUndefined: a name that is missing is an error, never an empty place on a page."""
    from jinja2 import StrictUndefined

    from clinic.web import filters

    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    filters.register(app)


def configure_views(app: Flask) -> None:
    """Blueprints by feature; `doors` says who may come to which endpoint, and nobody comes to one it does not name."""
    from clinic.web import (
        account,
        appointments,
        audit,
        auth,
        cases,
        course,
        desk,
        doors,
        entry,
        formulation,
        homework,
        lock,
        machines,
        packs,
        pages,
        records,
        rights,
        sheets,
        team,
        workbench_files,
    )

    features = (
        auth, lock, account, desk, cases, records, course, homework, entry,
        formulation, sheets, rights, team, machines, audit, pages,
    )  # fmt: skip
    for feature in features:
        app.register_blueprint(feature.bp)
    for feature in (appointments, packs, workbench_files):  # the last adds its page to the blueprint of `workbench`
        app.register_blueprint(feature.bp)
    for told in (doors, account, desk, entry):
        told.register(app)


def configure_errors(app: Flask) -> None:
    """Errors that people see: one plain page, never a trace."""
    from clinic.web import problems

    problems.register(app)


def configure_replies(app: Flask) -> None:
    """Headers of every reply, errors too. Static files may be kept, nothing else; every page leaves a fresh nonce."""
    from clinic.web import session

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value  # also over what send_file wrote: a PDF is not kept either
        if session.secure():
            response.headers["Strict-Transport-Security"] = TLS_ONLY
        if request.endpoint in FRAMED:
            response.headers["Content-Security-Policy"] = FRAMED[request.endpoint]
            if FRAMED[request.endpoint] == IN_FRAME:
                response.headers["X-Frame-Options"] = "SAMEORIGIN"
                del response.headers["Origin-Agent-Cluster"]  # a sandbox is of no origin at all
        if response.mimetype == "application/pdf":
            response.headers["Content-Security-Policy"] = PDF_POLICY
        if request.endpoint == "static":
            response.headers["Cache-Control"] = "no-cache"
            return response
        session.freshen(response)
        return response


def listen_on(host: str, port: int) -> str:
    """What waitress binds. `localhost` may mean either loopback: the one left free another program could take."""
    if host not in ("127.0.0.1", "localhost") or not port or not socket.has_ipv6:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tried:
        try:
            tried.bind(("::1", 0))
        except OSError:
            return f"127.0.0.1:{port}"
    return f"127.0.0.1:{port} [::1]:{port}"


def address_of(settings: Settings, port: int) -> str:
    """The address to print: a name, never a number, because passkeys belong to a name."""
    return f"https://{settings.name}" if settings.tls else f"http://localhost:{port}"


def _opened(store: Store) -> bool:
    try:
        return store.keyholder.opened()
    except VaultLocked:
        return False


def serve(settings: Settings, port: int | None = None, greeting: str = "") -> None:
    """Serve until interrupted. The press starts first, then the keyholder, then what asks both."""
    import waitress

    logs.setup()
    from clinic.services.backup import Daily
    from clinic.services.handing import Handing
    from clinic.services.press_room import PressRoom
    from clinic.services.warm import warm_pages

    press, store, threads = Press(warm_pages()), None, list[Daily | Handing | PressRoom | Settling]()
    press.start()
    try:
        store = Store.attach(settings, prompt=sys.stdin.isatty())
        app = create_app(settings, store, press)
        gc.freeze()
        gc.enable()
        # Buffers above the body limit: waitress writes larger ones to a temporary file in clear.
        # Its own limit is above ours, so that a body just too large gets a page and not a line of text.
        limits: dict[str, Any] = {
            "inbuf_overflow": 4 * BODY_BYTES,
            "outbuf_overflow": 64 * BODY_BYTES,
            "max_request_body_size": 3 * BODY_BYTES,
        }
        # Behind the declared proxy its headers count; else nobody's do.
        limits["clear_untrusted_proxy_headers"] = not settings.tls
        at = settings.port if port is None else port
        listen = listen_on(settings.host, at)
        try:
            server = waitress.create_server(app, listen=listen, threads=32, ident=None, **limits)
        except OSError as error:
            raise Usage(f"{listen} cannot be served ({error.strerror}). Choose another port with --port.") from None
        print(greeting or f"Secure Base: {address_of(settings, at)}", flush=True)
        if not _opened(store):
            print("The records are locked. Open them on this machine: clinic unlock", flush=True)
        threads = [Daily(store), Handing(store), PressRoom(store, press, settings.press_places), Settling()]
        for one in threads:
            one.start()
        server.run()
    finally:
        for one in threads:
            one.stop()
        if store is not None:
            store.close()
        press.stop()
