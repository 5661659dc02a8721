"""The commands. Each imports what it needs when it runs, so that `clinic --help` starts at once.

Exit 0 on success, 1 on a refused or failed action with one plain line on stderr, 2 on wrong usage.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from clinic import __version__, config, resources
from clinic.domain.errors import ClinicError, Usage
from clinic.domain.roles import ROLES
from clinic.hardening import harden

FILE = click.Path(path_type=Path, dir_okay=False)
THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False)
RECORDS = "The folder with the records."
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def main() -> None:
    """Run the command line; a ClinicError becomes one line on stderr and its exit code."""
    try:
        clinic(prog_name="clinic")
    except ClinicError as error:
        click.echo("clinic: " + " ".join(str(error).split()), err=True)
        sys.exit(error.exit)
    except Exception as error:  # its message may hold what somebody wrote: type and line of code only
        from clinic import logs

        click.echo(f"clinic: {logs.why(error)}", err=True)
        sys.exit(1)


def _settings(context: click.Context, _: click.Parameter, named: Path | None) -> config.Settings:
    return _load(named or context.find_root().obj)


def _load(named: Path | None) -> config.Settings:
    harden()  # what follows may open records
    settings = config.load(named)
    if settings.instance.with_name(f"{settings.instance.name}.restoring").exists():
        from clinic.services import restore

        restore.finish(settings)  # one that was killed while it put the folder in place
        settings = config.load(named)
    config.keep_time(settings)
    if not settings.chosen:
        click.echo(f"clinic: using {settings.instance}", err=True)
    return settings


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings of the instance; `--instance` may stand before or after its name."""
    return click.option("--instance", "settings", type=FOLDER, callback=_settings, help=RECORDS)(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clinic")
@click.option("--instance", type=FOLDER, envvar="CLINIC_INSTANCE_PATH", show_envvar=True, help=RECORDS)
@click.pass_context
def clinic(context: click.Context, instance: Path | None) -> None:
    """Secure Base: intake, maps, worksheets and homework plans for couples counsellors."""
    context.obj = instance


@clinic.command()
@click.option("--serve/--no-serve", default=True, help="Serve afterwards, or stop when all is made.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.pass_obj
def demo(instance: Path | None, serve: bool, port: int) -> None:
    """Make a demo instance with made-up couples, print their sheets, serve it."""
    from clinic.services import demo

    harden()
    settings = config.demo(instance)
    config.keep_time(settings)
    with demo.running(settings):
        password = demo.prepare(settings)
        click.echo(f"Sheets in {settings.prints}:")
        for line in demo.prints(settings, password):
            click.echo(f"  {line}")
        if serve:
            from clinic import app

            address = f"http://localhost:{port}"
            lines = [f"\nSecure Base demo: {address}", f"  account   {demo.ACCOUNT}", f"  password  {password}"]
            lines += ["  Others, with the same password:", *(f"    {line}" for line in demo.people()[1:]), ""]
            app.serve(settings, port, "\n".join(lines))


@clinic.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--everything", is_flag=True, help="With Chromium, PostgreSQL and Java; a skip fails.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(everything: bool, arguments: Sequence[str]) -> None:
    """Run the tests; ARGUMENTS go to pytest. Needs a checkout."""
    root = resources.checkout()
    if root is None:
        raise click.UsageError("The tests are in the checkout, not in the installed package.")
    options = ["--everything"] if everything else []
    cores = min(os.cpu_count() or 1, 8)
    if cores > 1 and not arguments:  # the whole suite on all cores; whoever passes arguments says so themselves
        options += ["-n", str(cores), "--dist", "worksteal"]
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *options, *arguments], cwd=root))  # noqa: S603 - pytest, for whoever typed it


@clinic.command()
@with_settings
@click.option("--unattended", is_flag=True, help="A key file opens it, so that a start needs nobody.")
def init(settings: config.Settings, unattended: bool) -> None:
    """Make an empty instance: database, keys, the first account. Print the form for the recovery key first."""
    from clinic.services import instance

    instance.init(settings, unattended)


# ---------------------------------------------------------------- what opens the records
by_recovery = click.option("--recovery", is_flag=True, help="Open with the recovery key instead.")


@clinic.command()
@with_settings
@by_recovery
def unlock(settings: config.Settings, recovery: bool) -> None:
    """Give the passphrase to the server that waits for it."""
    from clinic.services import keys

    keys.unlock(settings, recovery)


@clinic.command()
@with_settings
@by_recovery
@click.option("--unattended", is_flag=True, help="From now on a new key file opens it, and no passphrase.")
def passphrase(settings: config.Settings, recovery: bool, unattended: bool) -> None:
    """Set a new passphrase of the records, in the place of the old one or of the key file."""
    from clinic.services import keys

    keys.change(settings, recovery, unattended)


@clinic.command("recovery-key")
@with_settings
@by_recovery
def recovery_key(settings: config.Settings, recovery: bool) -> None:
    """Make a new recovery key, shown once, in the place of the old one."""
    from clinic.services import keys

    keys.change_recovery(settings, recovery)


@clinic.command("recovery-form")
@click.option("--out", type=FILE, required=True)
@click.option("--paper", type=click.Choice(config.PAPERS), default="a4", show_default=True)
def recovery_form(out: Path, paper: Any) -> None:
    """Print the empty form that a recovery key is copied onto by hand. No key is on it."""
    from clinic.services import recovery_form

    out.write_bytes(recovery_form.pdf(paper))


@clinic.group()
def rotate() -> None:
    """Change the keys behind all records. Make a backup first; stop the server."""


@rotate.command("root")
@with_settings
def rotate_root(settings: config.Settings) -> None:
    """Make a new root key and a new recovery key, and wrap every key anew; or end a change that was begun."""
    from clinic.services import keys

    keys.rotate_root(settings)


@rotate.command("database")
@with_settings
def rotate_database(settings: config.Settings) -> None:
    """Write the database's file anew under a new key; or end a change that was begun."""
    from clinic.services import keys

    keys.rotate_database(settings)


@clinic.command()
@with_settings
def upgrade(settings: config.Settings) -> None:
    """Bring an instance to this version: tables and the texts of changed definitions. Copy its folder first."""
    from clinic.services import instance

    instance.upgrade_instance(settings)
    click.echo(f"Ready: {settings.instance}")


@clinic.command()
@with_settings
@click.option("--anchor", type=THERE, help="The file `anchors` beside the backups: tells whether the end was cut off.")
def verify(settings: config.Settings, anchor: Path | None) -> None:
    """Look whether every record, the audit and the database are as they were written. Stop the server first."""
    from clinic.persistence.store import Store
    from clinic.services import verify

    store = Store.open(settings)
    try:
        found = verify.run(store, anchor)
    finally:
        store.close()
    for line in found:
        click.echo(line)
    if found:
        sys.exit(1)
    click.echo("Nothing is wrong.")


@clinic.command()
@with_settings
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of the port in the settings.")
@click.option("--processes", type=click.IntRange(1, 16), help="So many, by gunicorn; start `clinic keyholder` first.")
def serve(settings: config.Settings, port: int | None, processes: int | None) -> None:
    """Serve the pages on this machine."""
    if processes is not None:
        from clinic import wsgi

        wsgi.serve(settings, port, processes)
    gc.disable()  # what the start imports stays; `app.serve` collects again once all is there
    from clinic import app

    app.serve(settings, port=settings.port if port is None else port)


@clinic.command()
@with_settings
def keyholder(settings: config.Settings) -> None:
    """Run the keyholder alone, for several web processes; it asks for the passphrase, or waits for `clinic unlock`."""
    from clinic.services import keyholder_alone

    keyholder_alone.run(settings)


@clinic.command()
@click.argument("folder", type=FOLDER)
def deploy(folder: Path) -> None:
    """Copy the examples for a server to FOLDER: systemd units, compose file, proxies. What is there stays."""
    from clinic.services import deploying

    for path in deploying.copy(folder):
        click.echo(path)


@clinic.command("postgres-roles")
@click.option("--database", default="clinic", show_default=True)
@click.option("--worker", "workers", multiple=True, metavar="ROLE", help="A role for a print machine; may be repeated.")
def postgres_roles(database: str, workers: Sequence[str]) -> None:
    """Print the SQL that makes PostgreSQL's roles and database. There is no password in it."""
    from clinic.services import deploying

    click.echo(deploying.roles(database, workers), nl=False)


@clinic.command()
@click.pass_obj
def doctor(instance: Path | None) -> None:
    """Say what this machine lacks, the command that installs it, and what keeps the records apart from others."""
    from clinic import doctor
    from clinic.press import fonts
    from clinic.services import machine

    lines, well = doctor.report()
    made = (fonts.folder() / "fonts.conf").exists()
    lines.append("Fonts (every letter on paper): " + ("ok" if made else "missing: python3 -m clinic fonts"))
    lines += [f"Not printable yet: {', '.join(tags)}. {command}" for command, tags in fonts.lacking().items() if made]
    lines += machine.report(instance)
    click.echo("\n".join(lines))
    if not (well and made):
        raise ClinicError("This machine cannot print yet.")


@clinic.command()
@as_json
def sheets(as_json: bool) -> None:
    """List every definition: id, kind, version, recipients, locales ready."""
    from clinic.services import listing

    _show(listing.sheets(), as_json)


@clinic.command()
@click.argument("files", nargs=-1, type=THERE)
@click.option("--lock", is_flag=True, help="For a release: write forms/versions.lock anew.")
def check(files: Sequence[Path], lock: bool) -> None:
    """Validate definitions, library lists and weights; errors name file, section and block."""
    from clinic.services import check

    if not files and not lock:
        raise click.UsageError("Name the files to check.")
    problems = check.check(files)
    if lock and not problems:
        click.echo(f"clinic: {check.lock()} definitions locked")
    for problem in problems:
        click.echo(f"clinic: {problem}", err=True)
    sys.exit(1 if problems else 0)


@clinic.command()
@with_settings
@click.argument("files", nargs=-1, required=True, type=THERE)
def accept(settings: config.Settings, files: Sequence[Path]) -> None:
    """Make definitions of the clinic's own (instance/forms/own_*.toml) active, as their text is now."""
    from clinic.persistence.store import Store
    from clinic.services import shelf

    store = Store.open(settings)
    for path in files:
        click.echo(f"clinic: {shelf.accept(store, path).id} is active")
    store.close()


@clinic.command("print")
@click.argument("sheet")
@click.option("--out", type=FILE, help="The PDF; needed unless --show.")
@click.option("--show", is_flag=True, help="Say what would leave the room, and print nothing.")
@click.option("--case", metavar="CODE", help="Fill it from this case; without, the sheet is blank.")
@click.option("--to", type=click.Choice(["a", "b", "joint"]), help="Whose copy; needs --case.")
@click.option("--locale", default="en", show_default=True)
@click.option("--with", "beside", metavar="LOCALE", help="A second language beside the first.")
@click.option("--paper", type=click.Choice(config.PAPERS), help="[default: from the settings]")
@click.option("--size", type=click.Choice(["normal", "large"]), default="normal", show_default=True)
@click.option("--ink", type=click.Choice(["full", "saver"]), default="full", show_default=True)
@click.option("--draft", is_flag=True, help="Print an unfinished translation, marked DRAFT.")
@click.option("--letterhead", is_flag=True, help="With the clinic's lines on top, from the settings.")
@click.option("--as", "account", metavar="ACCOUNT", help="Who prints; the demo knows it.")
@click.option("--token", type=THERE, help="Instead of passphrase and code: a file of `clinic account token`.")
@click.option("--instance", type=FOLDER, help=RECORDS)
@click.pass_context
def print_(context: click.Context, sheet: str, out: Path | None, instance: Path | None, **job: Any) -> None:
    """Print one sheet as a PDF: blank, or filled from a case."""
    from clinic.services import print_command

    _one_of(out, job["show"])
    if (job["case"] is None) != (job["to"] is None):
        raise click.UsageError("--case and --to go together.")
    # A blank needs no instance: then the defaults hold.
    named = instance or context.find_root().obj
    settings = _load(named) if job["case"] or job["letterhead"] or named else None
    _kept(out, print_command.from_command_line(settings, sheet, say=_aside, **job))


def _one_of(out: Path | None, show: bool) -> None:
    if (out is None) != show:
        raise click.UsageError("Name a file with --out, or say --show.")


def _aside(line: str) -> None:
    """Beside the output, not in it."""
    click.echo(f"clinic: {line}", err=True)


def _kept(out: Path | None, data: bytes) -> None:
    """Write a file that only its owner can read."""
    if out and data:
        out.touch(mode=0o600)
        out.chmod(0o600)
        out.write_bytes(data)


@clinic.command()
@with_settings
@click.option("--case", metavar="CODE", help="What was chosen for this case and not printed since.")
@click.option("--day", metavar="DATE", help="The same for all your meetings of a day: 2026-03-31, today, tomorrow.")
@click.option("--list", "file", type=THERE, help="A CSV file: case,sheet,to[,locale,with,copies].")
@click.option("--out", type=FILE, help="The PDF or ZIP; needed unless --show.")
@click.option("--show", is_flag=True, help="Say what would leave the room, and print nothing.")
@click.option("--zip", "zip_", is_flag=True, help="A ZIP with one file for each reader, each drawn alone.")
@click.option("--cover", is_flag=True, help="A list on top: codes and numbers of pages.")
@click.option("--draft", is_flag=True, help="Print unfinished translations, marked DRAFT.")
@click.option("--as", "account", metavar="ACCOUNT", help="Whose cases they are; the demo knows it.")
@click.option("--token", "token_file", type=THERE, help="A token file instead of passphrase and code.")
def pack(settings: config.Settings, out: Path | None, zip_: bool, cover: bool, draft: bool, **wanted: Any) -> None:
    """Print many sheets as one file: each reader's begin on a new sheet of paper."""
    from clinic.services import pack_command, packs

    if sum(wanted[name] is not None for name in ("case", "day", "file")) != 1:
        raise click.UsageError("Name one of --case, --day and --list.")
    _one_of(out, wanted["show"])
    how = packs.How(zip=zip_, cover=cover, draft=draft)
    made = pack_command.from_command_line(settings, how=how, say=_aside, **wanted)
    _kept(out, made.data)
    for line in made.failures:
        _aside(line)
    if made.failures:
        sys.exit(1)


# ---------------------------------------------------------------- backups and exports
@clinic.command()
@with_settings
@click.argument("file", type=FILE, required=False)
def backup(settings: config.Settings, file: Path | None) -> None:
    """Write a backup to FILE, sealed to the recovery key: keys, database, erasures, the end of the audit.

    Without FILE it is the backup of the day, as a server makes it; nothing happens when there is one.
    """
    from clinic.services import backup

    made = backup.from_command_line(settings, file)
    click.echo(f"clinic: {made.path} ({made.size / 1e6:.1f} MB)" if made else "clinic: today's is there already")


@clinic.command()
@with_settings
@click.argument("file", type=THERE)
@click.option("--unattended", is_flag=True, help="A key file opens it from now on, and no passphrase.")
def restore(settings: config.Settings, file: Path, unattended: bool) -> None:
    """Put a backup in the place of the instance. Asks for the recovery key; what was erased stays erased."""
    from clinic.services import restore

    restore.from_command_line(settings, file, unattended, click.echo)


@clinic.command()
@with_settings
@click.argument("case", metavar="CASE")
@click.option("--person", type=click.Choice(["a", "b", "joint"]), required=True, help="Whose answers.")
@click.option("--format", "format_", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--locale", default="en", show_default=True, help="The language of the questions.")
@click.option("--basis", default="", help="For joint without an agreement that both signed: the legal basis.")
@click.option("--out", type=FILE, required=True)
@click.option("--as", "account", metavar="ACCOUNT", help="Whose case it is; the demo knows it.")
@click.option("--token", "token_file", type=FILE, help="A token file instead of passphrase and code.")
def export(settings: config.Settings, out: Path, account: str | None, token_file: Path | None, **wanted: Any) -> None:
    """Write what one person said, or what both said together, with that key alone."""
    from clinic.services import export

    export.from_command_line(settings, out, account, token_file, **wanted)


# ---------------------------------------------------------------- print machines
worker_key_file = click.option("--key", "key_file", type=FILE, help="The file with this machine's key.")


@clinic.group(invoke_without_command=True)
@click.pass_context
def worker(context: click.Context) -> None:
    """Draw sheets for a clinic on another machine; needs its PostgreSQL address, and no records."""
    if context.invoked_subcommand is None:
        context.invoke(run_worker)


@worker.command("init")
@worker_key_file
def init_worker(key_file: Path | None) -> None:
    """Make this machine's key; an admin accepts it under Team, Print machines."""
    from clinic.services import enrol_worker

    harden()
    for line in enrol_worker.init(key_file):
        click.echo(line)


@worker.command("show")
@worker_key_file
def show_worker(key_file: Path | None) -> None:
    """Show the public key of this machine and its fingerprint."""
    from clinic.services import enrol_worker

    harden()
    for line in enrol_worker.show(key_file):
        click.echo(line)


@worker.command("run")
@worker_key_file
@click.option("--config", "file", type=THERE, help="A TOML file with worker_database_url and the like.")
def run_worker(key_file: Path | None = None, file: Path | None = None) -> None:
    """Draw until it is stopped; the sheet in hand is finished. Plain `clinic worker` does the same."""
    from clinic.services import worker

    harden()
    worker.run(worker.load(file, key_file))


# ---------------------------------------------------------------- accounts
as_whom = click.option("--as", "account", metavar="ADMIN", help="The admin who does it; asks passphrase and code.")


@clinic.group()
def account() -> None:
    """List, make and close accounts; token files for the command line."""


@account.command("list")
@with_settings
@as_whom
@as_json
def list_accounts(settings: config.Settings, account: str | None, as_json: bool) -> None:
    """List every account: name, role, state."""
    from clinic.services import account_commands

    _show(account_commands.rows(settings, account), as_json)


@account.command("create")
@with_settings
@as_whom
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="counsellor", show_default=True)
def create_account(settings: config.Settings, account: str | None, name: str, role: str) -> None:
    """Make the account NAME with a temporary passphrase."""
    from clinic.services import account_commands

    click.echo(f"clinic: {account_commands.create(settings, account, name, role)}")


@account.command("password")
@with_settings
@as_whom
@click.option("--recovery", is_flag=True, help="The last admin lost everything: the recovery key stands for it.")
@click.argument("name")
def account_password(settings: config.Settings, account: str | None, recovery: bool, name: str) -> None:
    """Give NAME a temporary passphrase, which is asked for; all sessions of NAME end."""
    from clinic.services import account_commands

    if recovery:
        account_commands.regain(settings, name)
    else:
        account_commands.password(settings, account, name)
    click.echo(f"clinic: {name} can sign in and will choose a passphrase of their own")


@account.command("deactivate")
@with_settings
@as_whom
@click.argument("name")
def deactivate_account(settings: config.Settings, account: str | None, name: str) -> None:
    """Close the account NAME: nobody signs in with it any more, its sessions end."""
    from clinic.services import account_commands

    account_commands.deactivate(settings, account, name)
    click.echo(f"clinic: {name} is closed")


@account.command("token")
@with_settings
@click.argument("name")
@click.option("--out", type=FILE, required=True, help="A new file, for `clinic print --token`.")
def account_token(settings: config.Settings, name: str, out: Path) -> None:
    """Sign NAME in on the terminal and write a token file that holds for 90 days."""
    from clinic.services import account_commands

    click.echo(f"clinic: {account_commands.token(settings, name, out)}")


@clinic.command()
@as_json
def locales(as_json: bool) -> None:
    """List, per locale and definition, what is translated, reviewed and approved, and whether it prints."""
    from clinic.services import listing

    _show(listing.locales(), as_json)


@clinic.group()
@click.pass_context
def translations(context: click.Context) -> None:
    """Work on the catalogues. Needs a checkout."""
    if resources.checkout() is None and context.invoked_subcommand != "export":
        raise click.UsageError("The catalogues are in the checkout, not in the installed package.")


@translations.command()
def extract() -> None:
    """Collect every message of the checkout into the templates (.pot)."""
    from clinic.services import translations

    for domain, count in translations.extract().items():
        click.echo(f"{domain}: {count} messages")


@translations.command()
def merge() -> None:
    """Carry the templates into every catalogue, by key: a reworded source keeps its translation, fuzzy."""
    from clinic.services import translations

    for catalogue, counts in translations.merge().items():
        click.echo(f"{catalogue}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


@translations.command()
@click.argument("locale")
def new(locale: str) -> None:
    """Begin LOCALE with empty catalogues."""
    from clinic.services import translations

    for line in translations.begin(locale):
        click.echo(line)


@translations.command("export")
@with_settings
@click.option("--to", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another checkout.")
def export_translations(settings: config.Settings, folder: Path | None) -> None:
    """Write what was translated in the browser into the PO files, for git."""
    from clinic.persistence.store import Store
    from clinic.services import overlay_export

    store = Store.open(settings)
    try:
        for catalogue, counts in overlay_export.export(store, folder).items():
            click.echo(f"{catalogue}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    finally:
        store.close()


@translations.command("check")
@click.argument("locales", metavar="[LOCALE]...", nargs=-1)
@click.option("--warnings", is_flag=True, help="Say too what does not break a page. It does not fail the check.")
def check_catalogues(locales: Sequence[str], warnings: bool) -> None:
    """Check the catalogues of each LOCALE, or of all: drift, placeholders, plurals, markup, signs without a font."""
    from clinic.services import translations

    problems = translations.check(locales)
    for problem in problems:
        click.echo(f"clinic: {problem}", err=True)
    for line in translations.check(locales, warnings=True) if warnings else ():
        if line not in problems:
            click.echo(line)
    sys.exit(1 if problems else 0)


@translations.command("export-file")
@click.argument("locale")
@click.option("--handout", default="", help="The id of one sheet; without it the whole language.")
@click.option("--domain", type=click.Choice(["handouts", "messages"]), default="handouts", show_default=True)
@click.option("--format", "format_", type=click.Choice(["po", "xliff"]), default="po", show_default=True)
@click.option("--out", type=FILE, required=True)
def export_file(locale: str, handout: str, domain: Any, format_: Any, out: Path) -> None:
    """Write a file for a translator's own program, from the catalogues."""
    from clinic.services import exchange

    out.write_bytes(exchange.file_out(locale, handout, domain, format_))


@translations.command("import-file")
@click.argument("locale")
@click.argument("file", type=THERE)
@click.option("--write", is_flag=True, help="Write what is new. Without it, only say what the file would do.")
@click.option("--mine", is_flag=True, help="Take the file's words also where the catalogue has changed since.")
def import_file(locale: str, file: Path, write: bool, mine: bool) -> None:
    """Say what a translator's FILE would change in the catalogues of LOCALE; write it as drafts."""
    from clinic.services import exchange

    incoming = exchange.file_in(locale, file)
    for line in exchange.report(incoming):
        click.echo(line)
    if write:
        choices = {one.source.ref: "mine" for one in incoming.of("conflict")} if mine else {}
        click.echo(f"{exchange.write_files(incoming, choices)} written as drafts")


@clinic.command()
@as_json
@click.option("--only", metavar="NAME", multiple=True, help="This benchmark; may be given again.")
@click.option("--rounds", type=click.IntRange(1), help="Of each measurement; at least 7 for a median to trust.")
@click.option("--long", is_flag=True, help="Also what takes minutes: 1,000 prints, machines that are killed.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
def bench(as_json: bool, only: Sequence[str], rounds: int | None, long: bool, names: Sequence[str]) -> None:
    """Run the benchmarks, what others would use in the same run. Needs a checkout."""
    root = resources.checkout()
    if root is None:
        raise Usage("The benchmarks are in the checkout, not in the installed package.")
    options = ["--json"] * as_json + ["--long"] * long + (["--rounds", str(rounds)] if rounds else [])
    if chosen := [*only, *names]:
        options += ["--only", *chosen]
    sys.exit(subprocess.call([sys.executable, "-m", "tests.benchmarks", *options], cwd=root))  # noqa: S603 - our own program


@clinic.command()
@click.argument("extras", metavar="[cjk]", nargs=-1, type=click.Choice(["cjk"]))
def fonts(extras: Sequence[str]) -> None:
    """Make the fonts that sheets are printed with, once; with cjk also those of zh, ja and ko (30 MB)."""
    from clinic.press import install

    try:
        made = install.install(extras)
    except install.PackageMissing as problem:
        raise ClinicError(str(problem)) from problem
    click.echo(f"clinic: {made} font files made")


def _show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows as one JSON document, or as a table."""
    if as_json:
        return click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    cells = [[_cell(value) for value in row.values()] for row in rows]
    if rows:
        cells.insert(0, list(rows[0]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return " ".join(map(str, value)) or "-" if isinstance(value, list | tuple) else str(value)


if __name__ == "__main__":
    main()
