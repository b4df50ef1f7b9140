"""`pattern-engine login` and `logout`: a person's session with a project, by Supabase Auth."""

import sys
from typing import Annotated

import typer

from pattern_engine.cli import keychain, profiles, remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL, Profile
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.terminal import AsJson, show, show_json

commands = typer.Typer()


@commands.command("login")
def run_login(
    project: ProjectName = LOCAL,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="the project's address, the first time; then it is kept"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="the project's publishable key, with --url"),
    ] = None,
    functions_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="address of the engine's functions, with --url",
            show_default="URL/functions/v1/pattern-analyzer",
        ),
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="who signs in", show_default="asked for")
    ] = None,
    data_dir: DataDirectory = None,
    *,
    magic_link: Annotated[
        bool,
        typer.Option("--magic-link", help="have a code sent by mail instead of giving a password"),
    ] = False,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="read the password, or the code, from standard input"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign in to a project.

    The session is kept in the keyring of the system, or in a file that only you can read. On a
    local stack no addresses are needed.
    """
    profile = _profile(project, url, key, functions_url, data_dir)
    here = Remote(profile, remote.client())
    email = email or typer.prompt("E-mail address", err=True)
    ask = _from_stdin if password_stdin else _from_person
    if magic_link:
        remote.authenticate(here, "otp", email=email, create_user=False)
        show(f"{email} was sent a code", error=True)
        session = remote.grant(here, "otp", type="magiclink", email=email, token=ask("Code"))
    else:
        session = remote.grant(here, "password", email=email, password=ask("Password"))
    with keychain.alone():
        if profile.name != LOCAL:
            profiles.store(profile)
        keychain.write(profile.slot, session)
    here.session = session
    role = here.rpc("caller_role_v1")
    if as_json:
        show_json({"project": profile.name, "url": profile.api_url, "email": email, "role": role})
        return
    show(f"signed in to {profile.name} ({profile.api_url}) as {email}: {role or 'no role'}")
    if role is None:
        show(f"the owner of the database gives one: pattern-engine operators add {email} --role …")


def _profile(
    name: str, url: str | None, key: str | None, functions: str | None, data_dir: DataDirectory
) -> Profile:
    if (url is None) != (key is None) or (functions and not url):
        raise typer.BadParameter("a new project needs both", param_hint="--url and --key")
    if url is not None and key is not None:
        return profiles.make(name, url, key, functions)
    return profiles.find(name, data_dir)


def _from_stdin(_what: str) -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _from_person(what: str) -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here", param_hint="--password-stdin")
    answer: str = typer.prompt(what, hide_input=what == "Password", err=True)
    return answer.strip() if what == "Code" else answer


@commands.command("logout")
def run_logout(
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="end all of your sessions, on all devices")
    ] = False,
) -> int:
    """Sign out of a project, and remove its session from this machine."""
    here = remote.connect(project, data_dir)
    if here.session is None:
        show(f"nobody is signed in to the project {here.profile.name}")
        return 0
    try:
        here.sign_out("global" if everywhere else "local")
    except remote.RemoteError as problem:
        show(f"pattern-engine: the project may keep the session: {problem}", error=True)
        return 1
    finally:
        with keychain.alone():
            keychain.forget(here.profile.slot)
    show(f"signed out of {here.profile.name}")
    return 0
