"""Print machines: accept one by its fingerprint, revoke one, and see what each was handed."""

from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField

from clinic.domain.errors import Conflict, Invalid
from clinic.services import machines
from clinic.web.clinic import store
from clinic.web.filters import wrong
from clinic.web.session import token

bp = Blueprint("machines", __name__)

SAID: Final = {
    "no_machine_key": lazy_gettext(
        "This is no public key of a print machine. Copy the whole line that “clinic worker init” shows."
    ),
    "name_taken": lazy_gettext("A machine has this name already. Choose another one."),
}


class MachineForm(FlaskForm):
    """A machine to be accepted."""

    name = StringField(lazy_gettext("Name of the machine"))
    public_key = StringField(lazy_gettext("Public key"))

    def explain(self, faults: dict[str, str]) -> None:
        """Attach what the service refused, by field."""
        for name, id_ in faults.items():
            field = self[name]
            field.errors = [*field.errors, str(SAID[id_]) if id_ in SAID else wrong(id_)]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]


@bp.route("/team/machines", methods=["GET", "POST"])
def page() -> ResponseReturnValue:
    """The machines there are; paste a key, compare its fingerprint, accept it."""
    form = MachineForm()
    if not form.validate_on_submit():
        return _page(form), 422 if form.is_submitted() else 200
    name, key = form.name.data or "", form.public_key.data or ""
    try:
        one = machines.offered(key)
        if request.form.get("do") != "accept":
            return _page(form, offered=one)
        made = machines.accept(store(), token(), name, key)
    except Invalid as error:
        form.explain(error.fields)
        return _page(form), 422
    except Conflict:
        flash(_("This machine is in the list already. For a new start make a new key on it."))
        return redirect(url_for("machines.page"), 303)
    return _page(MachineForm(formdata=None), made=made)


@bp.post("/team/machines/<uuid:machine_id>")
def revoke(machine_id: object) -> ResponseReturnValue:
    """Nothing more for this machine."""
    machines.revoke(store(), token(), str(machine_id))
    flash(_("The machine is revoked. It is handed nothing more."))
    return redirect(url_for("machines.page"), 303)


def _page(form: MachineForm, **more: Any) -> str:
    there = machines.listing(store(), token())
    far = store().engine.dialect.name == "postgresql"
    values: dict[str, Any] = {"form": form, "machines": there, "far": far, "offered": None, "made": None}
    values["kept"] = machines.KEPT
    return render_template("web/machines/page.html", **(values | more))
