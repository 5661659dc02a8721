"""The team: accounts and roles, a case that goes to somebody else, a case that an admin opens with a reason."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from clinic.domain.errors import Conflict, Invalid
from clinic.domain.roles import rights
from clinic.i18n.locales import SOURCE, translated
from clinic.services import break_glass, team, transfer, translators
from clinic.web.clinic import store
from clinic.web.desk import ROLES
from clinic.web.filters import wrong
from clinic.web.session import token

bp = Blueprint("team", __name__)

# Sentences of services that no form of a record knows.
SAID: Final = {
    "name_taken": lazy_gettext("Somebody has this name already. Choose another one."),
    "no_case": lazy_gettext("There is no such case here. Check the code."),
    "nobody_confirms": lazy_gettext(
        "Nobody here could confirm it. The first one is made on the clinic’s own machine: clinic account create"
    ),
    "nothing_new": lazy_gettext("This is so already. Choose what is to change."),
}


class _Form(FlaskForm):
    """A small form whose faults may also come from a service."""

    def explain(self, faults: Mapping[str, str]) -> None:
        """Attach what a service refused, by field; message ids become sentences."""
        for name, id_ in faults.items():
            field = self[name] if name in self else next(iter(self))
            field.errors = [*field.errors, str(SAID[id_]) if id_ in SAID else wrong(id_)]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]


def _offer(role: SelectField, supervisor: SelectField, people: list[team.Member]) -> None:
    """The roles there are, and who may supervise."""
    role.choices = [SelectChoice(value=id_, label=str(name)) for id_, name in ROLES.items()]
    supervisor.choices = _people(people, "supervisor")


class PersonForm(_Form):
    """A new account."""

    name = StringField(lazy_gettext("Staff name"))
    display = StringField(lazy_gettext("Name that colleagues see"))
    role = SelectField(lazy_gettext("Role"))
    supervisor = SelectField(lazy_gettext("Supervisor"))

    def __init__(self, people: list[team.Member], **values: Any) -> None:
        super().__init__(**values)
        _offer(self.role, self.supervisor, people)


class ReasonForm(_Form):
    """Why somebody does what others will see."""

    reason = TextAreaField(lazy_gettext("Reason"))


class RoleForm(ReasonForm):
    """Another role, or another supervisor, of an account that there is."""

    role = SelectField(lazy_gettext("Role"))
    supervisor = SelectField(lazy_gettext("Supervisor"))

    def __init__(self, people: list[team.Member], **values: Any) -> None:
        super().__init__(**values)
        _offer(self.role, self.supervisor, people)


class TransferForm(ReasonForm):
    """A case to another counsellor."""

    code = StringField(lazy_gettext("Code of the case"))
    to = SelectField(lazy_gettext("Goes to"))

    def __init__(self, people: list[team.Member], **values: Any) -> None:
        super().__init__(**values)
        self.to.choices = _people(people, "counsellor")


class GlassForm(ReasonForm):
    """A case to be read by an admin."""

    code = StringField(lazy_gettext("Code of the case"))
    hours = IntegerField(lazy_gettext("For how many hours"), default=1)


@bp.get("/team")
def page() -> ResponseReturnValue:
    """Everybody who signs in here."""
    return render_template("web/team/page.html", people=team.members(store(), token()))


@bp.route("/team/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Make an account. The temporary password is shown once, on the answer to this form."""
    form = PersonForm(team.members(store(), token()))
    if form.validate_on_submit():
        try:
            made = team.make(
                store(), token(), form.name.data or "", form.display.data or "", form.role.data, form.supervisor.data
            )
        except Invalid as error:
            form.explain(error.fields)
        else:
            return render_template("web/team/made.html", made=made)
    return render_template("web/team/new.html", form=form), 422 if form.is_submitted() else 200


@bp.get("/team/<uuid:account_id>")
def person(account_id: object) -> ResponseReturnValue:
    """One account and what may be done to it."""
    return _person(str(account_id))


@bp.post("/team/<uuid:account_id>")
def change(account_id: object) -> ResponseReturnValue:
    """Ask for another role or supervisor, close or open the account, reset its sign-in."""
    id_, do = str(account_id), request.form.get("do", "")
    one = team.member(store(), token(), id_)
    form = RoleForm(team.members(store(), token()))
    try:
        if do == "role":
            if not form.validate():
                return _person(id_, form), 422
            team.ask_change(store(), token(), one.id, form.role.data, form.supervisor.data, form.reason.data or "")
            flash(_("Asked. It holds as soon as somebody else has confirmed it."))
        elif do == "reset":
            made = team.reset(store(), token(), one.id, form.reason.data or "")
            return render_template("web/team/made.html", made=made)
        elif do == "languages":
            translators.change(store(), token(), one.id, _languages(one))
            flash(_("Saved."))
        elif do in ("off", "on"):
            team.set_active(store(), token(), one.id, do == "on")
            flash(_("The account is open again.") if do == "on" else _("The account is closed."))
    except Invalid as error:
        form.explain(error.fields)
        return _person(id_, form), 422
    except Conflict:
        flash(_("This is asked for already."))
    return redirect(url_for("team.person", account_id=id_), 303)


@bp.route("/transfer", methods=["GET", "POST"])
def hand_over() -> ResponseReturnValue:
    """Ask that a case goes to another counsellor."""
    form = TransferForm(team.counsellors(store(), token()))
    if form.validate_on_submit():
        try:
            transfer.ask(store(), token(), form.code.data or "", form.to.data, form.reason.data or "")
        except Invalid as error:
            form.explain(error.fields)
        else:
            flash(_("Asked. The case moves as soon as somebody else has confirmed it."))
            return redirect(url_for("desk.waiting"), 303)
    return render_template("web/team/transfer.html", form=form), 422 if form.is_submitted() else 200


@bp.route("/break-glass", methods=["GET", "POST"])
def glass() -> ResponseReturnValue:
    """Open a case that is nobody's business here: reason, an end, and those concerned are told."""
    form = GlassForm()
    if form.validate_on_submit():
        try:
            hours = form.hours.data or 0
            case = break_glass.open_(store(), token(), form.code.data or "", form.reason.data or "", hours)
        except Invalid as error:
            form.explain(error.fields)
        else:
            return redirect(url_for("desk.look", case_id=case), 303)
    grants = [one for one in break_glass.live(store(), token()) if one.mine]
    page = render_template("web/team/glass.html", form=form, grants=grants, longest=break_glass.LONGEST)
    return page, 422 if form.is_submitted() else 200


def _person(id_: str, form: RoleForm | None = None) -> str:
    one = team.member(store(), token(), id_)
    usual = {"role": one.role, "supervisor": one.supervisor_id}
    shown = form or RoleForm(team.members(store(), token()), formdata=None, data=usual)
    return render_template("web/team/person.html", one=one, form=shown, languages=_offered(one))


def _languages(one: team.Member) -> dict[str, bool | None]:
    """What was chosen for each language: nothing, to translate, or to review too."""
    chosen = {tag: request.form.get(f"language.{tag}", "") for tag in _offered(one)}
    return {tag: {"translates": False, "reviews": True}.get(value) for tag, value in chosen.items()}


def _offered(one: team.Member) -> dict[str, bool | None]:
    """The languages there are to give to an account, with what it has; none for a role that translates nothing."""
    if not rights(one.role).translates:
        return {}
    have = translators.rights_of(store(), token(), one.id)
    return {other.tag: have.get(other.tag) for other in translated() if other.tag != SOURCE}


def _people(people: list[team.Member], role: str) -> list[SelectChoice]:
    fits = [SelectChoice(value=one.id, label=one.display) for one in people if one.role == role and one.active]
    return [SelectChoice(value="", label=_("nobody") if role == "supervisor" else _("Choose")), *fits]
