"""The generated pages of the reference are what they are generated from."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from docs import catalogue, generate

from pattern_engine import exceptions, settings
from pattern_engine.serving import endpoints, openapi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pattern_engine.api.endpoint import AnyEndpoint

HOW = "run: .venv/bin/python -m docs.generate"
VALID = {
    "SUPABASE_URL": "https://project.test",
    "SUPABASE_PUBLISHABLE_KEY": "publishable",
    "SUPABASE_SECRET_KEY": "secret",
    "SUPABASE_JWT_SECRET": "j" * settings.MIN_SECRET_BYTES,
    "PATTERN_ENGINE_WEBHOOK_SECRET": "webhook",
}
PROBES = (
    "https://probe.test",
    "p" * settings.MIN_SECRET_BYTES,
    "probe=/tmp",
    "77",
    "7777",  # seconds, where 77 would contradict another threshold
    "1",
    "0.77",
    "ERROR",
    "on",
    "off",
    "10.1.2.0/24",
    "22:00-06:00",
)


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_page_equals_its_generators_output(page: str) -> None:
    """Whoever changes an option, a setting or an error writes the page anew."""
    file, render = generate.PAGES[page]
    assert file.read_text(encoding="utf-8") == render(), HOW


def test_the_page_of_the_database_equals_the_migrated_database(addresses: dict[str, Any]) -> None:
    """On both servers, to the letter."""
    with psycopg.connect(addresses["db_url"]) as connection:
        rendered = catalogue.page(connection)
    kept = (generate.REFERENCE / "database.md").read_text(encoding="utf-8")
    assert kept == rendered, HOW


def test_everything_in_the_database_is_commented(addresses: dict[str, Any]) -> None:
    """A cell of the page that says nothing is a comment that was forgotten."""
    with psycopg.connect(addresses["db_url"]) as connection:
        rendered = catalogue.page(connection)
    assert not re.findall(r"^\| `.*\|\s*\|$", rendered.partition("## Functions")[0], re.MULTILINE)
    assert "None\n" not in rendered


def test_every_command_is_described() -> None:
    """Each command that does something has a section, with each of its options."""
    page = generate.cli()
    for name, command in generate.commands():
        assert f"\n## {name}" in page
        assert command.help, f"{name} has no help"
        section = page.partition(f"\n## {name}")[2].partition("\n## ")[0]
        for parameter in generate.parameters(command):
            assert any(f"`{name}" in section for name in (parameter.metavar, *parameter.opts))
            assert parameter.help, f"{name} says nothing about {parameter.name}"


class Recorder(dict[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a variable, and note its name."""
        self.asked.add(name)
        return super().get(name, default)


def test_every_variable_that_is_read_is_described() -> None:
    """The page names exactly the variables that the settings ask the environment for."""
    environment = Recorder({})
    with pytest.raises(exceptions.ConfigurationError):
        settings.from_environment(environment)
    assert environment.asked == {name for names in generate.VARIABLES for name in names}


@pytest.mark.parametrize(("names", "field"), generate.VARIABLES.items())
def test_a_variable_fills_the_field_that_describes_it(names: tuple[str, ...], field: str) -> None:
    """Each of its names, the older one where the present one is not set."""
    for name in names:
        without = {key: value for key, value in VALID.items() if key not in names}
        assert any(_changed(without, name, probe) == {field} for probe in PROBES), name


def _changed(environment: dict[str, str], name: str, probe: str) -> set[str]:
    """Return the fields that a value of a variable changes; none if it is refused."""
    try:
        found = settings.from_environment({**environment, name: probe})
    except exceptions.ConfigurationError:
        return set()
    usual = _flat(settings.from_environment(VALID))
    changed = {name for name, value in _flat(found).items() if value != usual[name]}
    # The console is a function of the project unless its address is set.
    return changed - {"console_url"} if "supabase_url" in changed else changed


def _flat(found: settings.Settings) -> dict[str, Any]:
    """Return the values of all fields; those of the thresholds by their dotted names."""
    flat = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    group = flat.pop("thresholds")
    for each in dataclasses.fields(group):
        flat[f"thresholds.{each.name}"] = getattr(group, each.name)
    return flat


def _sections(page: str) -> Iterator[tuple[str, str]]:
    for section in page.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        yield title, text


@pytest.mark.parametrize("endpoint", endpoints.ALL, ids=lambda endpoint: endpoint.name)
def test_every_endpoint_is_described(endpoint: AnyEndpoint) -> None:
    """The page of the API names its method, its fields, and the statuses that are its own."""
    page = (generate.REFERENCE / "api.md").read_text(encoding="utf-8")
    text = dict(_sections(page))[f"{endpoint.method} /{endpoint.name}"]
    if endpoint.name == "apply":
        assert "Fields as for `learn`" in text
    else:
        for name, field in endpoint.request.model_fields.items():
            assert f"`{field.alias or name}`" in text
    operation = openapi.document()["paths"][f"/{endpoint.name}"][endpoint.method.lower()]
    shared = page.partition("\n## POST /learn")[0]
    for status in operation["responses"]:
        assert status == "200" or f"| {status} |" in text or f"| {status} |" in shared


def test_every_code_in_the_api_page_exists_with_its_status() -> None:
    """No row of the page promises a code that is never answered, or another status."""
    page = (generate.REFERENCE / "api.md").read_text(encoding="utf-8")
    known = {kind.code: kind.status for kind in exceptions.kinds()}
    rows = re.findall(r"^\| ([1-5][0-9]{2}) \| (`[^|]*`) \|", page, re.MULTILINE)
    assert len(rows) > 20
    for status, codes in rows:
        for code in re.findall(r"`(\w+)`", codes):
            assert known[code] == int(status), code


def test_the_settings_that_are_called_required_are_those_without_which_nothing_starts() -> None:
    """A variable that has a default is never called required."""
    shown = re.findall(r"^\| `(\w+)`.*\| required \|$", generate.settings_page(), re.MULTILINE)
    alternatives = {"SUPABASE_JWT_SECRET"}
    assert set(shown) == VALID.keys() - alternatives
    for name in shown:
        with pytest.raises(exceptions.ConfigurationError, match=name):
            settings.from_environment({key: value for key, value in VALID.items() if key != name})
