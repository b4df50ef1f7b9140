"""`pattern-engine rules`: grouping rules, by which people decide what is one pattern."""

from typing import Annotated, Any

import typer

from pattern_engine.cli import abbreviations, remote
from pattern_engine.cli.asking import Reason, Yes, confirmed
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.screen import line, paint, short, table, text
from pattern_engine.cli.terminal import AsJson, show, show_json, tell
from pattern_engine.local.errors import StackError

commands = typer.Typer()
_actions = typer.Typer()
commands.add_typer(_actions, name="rules", help="List, try, save and disable grouping rules.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="what the rule is called")]
_Expression = Annotated[
    str, typer.Argument(metavar="EXPRESSION", help="RE2, searched for in the message")
]
_Fingerprint = Annotated[
    str | None,
    typer.Option(metavar="FINGERPRINT", help="errors that match are one pattern, named by this"),
]
_Target = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="or go to this pattern, by id or beginning")
]
_Source = Annotated[str | None, typer.Option(metavar="SOURCE", help="only errors of this source")]
_Priority = Annotated[
    int, typer.Option(metavar="NUMBER", min=0, help="of several rules the smallest applies")
]


@_actions.command("list")
def run_list(
    project: ProjectName = LOCAL, data_dir: DataDirectory = None, *, as_json: AsJson = False
) -> None:
    """List the rules in the order in which they are tried."""
    here = remote.connect(project, data_dir)
    rules = here.call("rules", action="list")["rules"]
    if as_json:
        show_json(rules)
    elif rules:
        rows = (
            (
                each["rule_id"][:8],
                each["priority"],
                each["name"] if each["enabled"] else text(f"{each['name']} (disabled)", "dim"),
                short(each["leads_to"]),
                each["expression"],
            )
            for each in rules
        )
        paint(table(("id", "priority", "name", "leads to", "expression"), rows, wide="expression"))
    else:
        show("there is no rule; `pattern-engine rules save` makes one")


@_actions.command("preview")
def run_preview(
    name: _Name,
    expression: _Expression,
    fingerprint: _Fingerprint = None,
    target: _Target = None,
    source: _Source = None,
    priority: _Priority = 100,
    errors: Annotated[
        int, typer.Option(metavar="COUNT", min=1, max=5000, help="how many latest errors to try")
    ] = 1000,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Try a rule on the latest errors, without saving it."""
    here = remote.connect(project, data_dir)
    rule = _rule(here, name, expression, fingerprint, target, source, priority)
    preview = here.call("rules", action="preview", rule=rule, errors=errors)["preview"]
    if as_json:
        show_json(preview)
    else:
        _paint_preview(preview)


@_actions.command("save")
def run_save(
    name: _Name,
    expression: _Expression,
    fingerprint: _Fingerprint = None,
    target: _Target = None,
    source: _Source = None,
    priority: _Priority = 100,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Save a rule, after a look at what it would move."""
    here = remote.connect(project, data_dir)
    rule = _rule(here, name, expression, fingerprint, target, source, priority)
    if not yes:
        _paint_preview(here.call("rules", action="preview", rule=rule)["preview"])
        confirmed("save this rule?", yes=yes)
    saved = here.call("rules", action="save", rule=rule)["rule"]
    tell(saved, f"saved as {saved['rule_id']}", as_json=as_json)


@_actions.command("disable")
def run_disable(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="its id, or the beginning of it")],
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Disable a rule; the patterns that it made stay."""
    here = remote.connect(project, data_dir)
    rules = here.call("rules", action="list")["rules"]
    found = [each["rule_id"] for each in rules if each["rule_id"].startswith(rule.lower())]
    if len(found) != 1:
        raise StackError(f"{len(found)} rules begin with {rule}; `pattern-engine rules list`")
    answer = here.call("rules", action="disable", rule_id=found[0], reason=reason)
    tell(answer["rule"], f"disabled: {found[0]}", as_json=as_json)


def _rule(
    here: Remote,
    name: str,
    expression: str,
    fingerprint: str | None,
    target: str | None,
    source: str | None,
    priority: int,
) -> dict[str, Any]:
    if (fingerprint is None) == (target is None):
        raise typer.BadParameter("give one of the two", param_hint="--fingerprint or --target")
    rule = {
        "name": name,
        "expression": expression,
        "fingerprint": fingerprint,
        "target": abbreviations.pattern_id(here, target) if target else None,
        "conditions": {"source": source} if source else None,
        "priority": priority,
    }
    return {name: value for name, value in rule.items() if value is not None}


def _paint_preview(preview: dict[str, Any]) -> None:
    show(
        f"{preview['matched']} of the latest {preview['examined']} errors match; "
        f"{preview['unmoved']} are in its pattern already, {preview['released']} would leave it"
    )
    rows = (
        (
            short(each["pattern_id"]),
            f"{each['errors']} of {each['of']}",
            text("loses its live fix", "red") if each["has_live_fix"] else "",
            line(each["examples"][0] if each["examples"] else each["template"]),
        )
        for each in preview["moves"]
    )
    paint(table(("from", "errors", "", "such as"), rows, wide="such as"))
