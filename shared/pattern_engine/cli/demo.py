"""`pattern-engine demo`: show the whole life of an error on the screen."""

import contextlib
import io
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from postgrest.exceptions import APIError
from rich.console import Console

from pattern_engine.cli import main
from pattern_engine.demo import report
from pattern_engine.demo.shop import (
    FIX,
    FIX_PARAMETERS,
    FIXED_TABLE,
    USELESS_FIX,
    USELESS_FIX_PARAMETERS,
    DemoFailedError,
    open_shop,
)
from pattern_engine.demo.story import OPERATOR_EMAIL, SETTINGS, Story, Wrapped
from pattern_engine.local import sign_in_links
from pattern_engine.local.errors import StackError
from pattern_engine.local.project import Project
from pattern_engine.local.servers import ServerChoice
from pattern_engine.local.stack import Stack

_SHOWN_PATTERNS = 8


commands = typer.Typer()


@commands.command("demo")
def run(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="directory for the stack, deleted first",
            show_default=".pattern-engine/demo",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", help="port of the local Supabase; 0 takes a free one")
    ] = 0,
    server: Annotated[
        ServerChoice, typer.Option(help="which PostgreSQL to use, as with `up`")
    ] = "auto",
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="keep the stack running until Ctrl-C")
    ] = False,
) -> int:
    """Show the whole life of an error on a local Supabase.

    The exit code is 0 only if the error was healed and stayed away.
    """
    console = Console()
    console.width = min(console.width, 80)
    directory = data_dir or Project.find().data_directory / "demo"
    shutil.rmtree(directory, ignore_errors=True)
    console.print("[bold]Pattern Learning Engine: from an error to a verified fix[/bold]")
    started = time.monotonic()
    try:
        with Stack(directory, port=port, server=server, settings=SETTINGS) as stack:
            report.say(console, f"A local Supabase started in {time.monotonic() - started:.1f} s.")
            _Demo(console, stack, Story(stack.status())).run()
            if keep:
                _keep_running(console, stack)
            console.print(
                "\nThe stack is gone now. `make demo ARGS=--keep` leaves it up, so that you can\n"
                "look at everything in the console."
            )
    except (DemoFailedError, APIError, httpx.HTTPError) as error:
        raise StackError(f"the demo failed: {error}; its logs are in {directory}/logs") from error
    except KeyboardInterrupt:
        return 130
    return 0


def _keep_running(console: Console, stack: Stack) -> None:
    status = stack.status()
    console.print(f"\nThe stack is still running at {status['api_url']}. Ctrl-C stops it.")
    _show_console(console, status)
    console.print(f"   secret key  {status['secret_key']}", highlight=False)
    console.print(f"   database    {status['db_url']}", highlight=False, soft_wrap=True)
    stack.watch()


def _show_console(console: Console, status: dict[str, Any]) -> None:
    """Print where the console is, and a link that signs the operator in to it once."""
    link = sign_in_links.new(status, OPERATOR_EMAIL)
    console.print(f"   console     {status['console_url']}", highlight=False, soft_wrap=True)
    console.print(
        f"   sign in once as {OPERATOR_EMAIL}:\n   {link}", highlight=False, soft_wrap=True
    )


@dataclass(frozen=True)
class _Demo:
    """Runs the steps of the story one after the other and prints each."""

    console: Console
    stack: Stack
    story: Story

    def run(self) -> None:
        """Heal one error, and demote a second fix that does not help.

        Raises:
            DemoFailedError: A step did not end as it has to.
        """
        open_shop(self.story.stack["db_url"])
        self._learn_history()
        operator_id, clusters = self._cluster()
        pattern = self._recognise(self._break_the_shop())
        self._decide(self._propose(pattern["pattern_id"]))
        application, seconds = self._heal()
        self._verify(application)
        self._demote(operator_id, pattern["pattern_id"])
        fixed = self.story.pattern(pattern["pattern_id"])
        least = fixed["confidence_lower_bound"] * 100
        outcomes = fixed["confidence_outcomes"]
        report.step(self.console, 11, "Summary")
        self._show(
            ("errors learned", f"{self.story.error_count()}"),
            ("patterns found", f"{self.story.pattern_count()}"),
            ("clusters", f"{clusters}"),
            ("rows fixed", f"{application['system_state_after']['rows_touched']}"),
            ("from error to healed", f"{seconds * 1000:.0f} ms"),
            ("success rate", f"{pattern['success_rate']} → {fixed['success_rate']} %"),
            ("confidence", f"{pattern['confidence_score']} → {fixed['confidence_score']}"),
            ("helps at least", f"{least:.0f} % of the time (95 % certain, {outcomes:.0f} outcome)"),
        )
        self.console.print(
            "\n[bold green]The error healed itself and stayed away.[/bold green] "
            "[bold]The fix that did not help\nwas demoted; it runs again after POST /enable.[/bold]"
        )

    def _learn_history(self) -> None:
        """Write the sample and wait until the webhook has delivered it."""
        report.step(self.console, 1, "An application logs errors; a database webhook delivers them")
        with report.progress(self.console) as progress:
            writing = progress.add_task("written to the log", total=None)
            errors = self.story.write_history(
                lambda done, total: progress.update(writing, completed=done, total=total)
            )
            learning = progress.add_task("learned by the engine", total=errors)
            seconds = self.story.wait_until_learned(
                errors, lambda done, total: progress.update(learning, completed=done, total=total)
            )
        self._say(
            f"All {errors} errors were learned {seconds:.1f} s after the last one was written."
        )
        found = self.story.pattern_count()
        report.step(
            self.console, 2, f"The engine groups them into {found} patterns; the largest are"
        )
        self.console.print(report.patterns(self.story.largest_patterns(_SHOWN_PATTERNS)))

    def _cluster(self) -> tuple[str, int]:
        """Return the operator's user id and the number of clusters."""
        report.step(self.console, 3, "An operator signs up and clusters patterns that behave alike")
        operator_id = self.story.sign_up_operator()
        self._command("operators", "add", OPERATOR_EMAIL, "--role", "ops_admin")
        self._say("Who would look along meanwhile finds the same in the console:")
        _show_console(self.console, self.story.stack)
        clusters = self.story.cluster()
        self.console.print(report.clusters(clusters))
        self._say("Patterns with fewer than three errors are left out.")
        return operator_id, len(clusters)

    def _break_the_shop(self) -> list[Wrapped]:
        """Return what each client of the shop logged."""
        report.step(self.console, 4, "A shop cannot invoice orders that have no currency")
        self._say("Five programs try, and each logs the same error in its own way:")
        wrapped = self.story.invoice_by_every_client()
        self.console.print(report.wrapped((each.client, each.text) for each in wrapped))
        self._say(
            "The demo's server speaks English, so the last text is filled into PostgreSQL's own "
            "translation."
        )
        return wrapped

    def _recognise(self, wrapped: list[Wrapped]) -> dict[str, Any]:
        """Return the one pattern of these errors."""
        report.step(self.console, 5, "One cause arrives as one pattern, with what the errors named")
        pattern = self.story.pattern(self.story.only_pattern_of(wrapped))
        self._say(f"[italic]{report.quoted(pattern['metadata']['template'])}[/italic]")
        facets = self.story.facets(pattern["pattern_id"], "table", "column")
        self._show(*report.facets(facets))
        for name, value in {"table": "invoices", "column": "currency"}.items():
            if (value, len(wrapped)) not in [
                (one["value"], one["occurrences"]) for one in facets[name]
            ]:
                raise DemoFailedError(f"the facets do not name the {name} {value}")
        self._say("The other names are those of errors that were learned in step 1.")
        self._explain(wrapped[-1])
        self.story.require_awaiting(pattern["pattern_id"])
        return pattern

    def _explain(self, error: Wrapped) -> None:
        """Show what one of the errors means."""
        cause = self.story.explain(error.text)
        self._say("The engine explains it, even from the German text:")
        meaning = f"[bold]{report.quoted(cause['title'])}.[/bold] {report.quoted(cause['meaning'])}"
        self._say(" ".join(meaning.split()))
        self._say(report.quoted(cause["cure"]))

    def _propose(self, pattern_id: str) -> dict[str, Any]:
        """Return the proposal."""
        report.step(
            self.console, 6, "The operator proposes a fix; the engine tries it and rolls it back"
        )
        report.script(self.console, FIX)
        others = {name: value for name, value in FIX_PARAMETERS.items() if name != "when"}
        self._say(f"$1 is {json.dumps(others)}")
        self._say(f"It is for errors with {json.dumps(FIX_PARAMETERS['when'])}")
        self._command("fixer", "grant", FIXED_TABLE, "--yes")
        proposal = self.story.propose(pattern_id)
        self._show(
            ("operation", ", ".join(proposal["analysis"]["operations"])),
            ("dry-run", report.rows_by_table(proposal["dry_run"]["tables"]) + ", rolled back"),
            ("replay", report.replayed(proposal["replay"])),
            ("digest", f"{proposal['sha256'][:16]}…"),
        )
        missing = sum(order["currency"] is None for order in self.story.shop.orders())
        self._say(f"{missing} orders have no currency, as before the dry-run.")
        return proposal

    def _decide(self, proposal: dict[str, Any]) -> None:
        report.step(self.console, 7, "The operator approves exactly this proposal, by its digest")
        self.story.decide(proposal)
        self._say("Approved. From now on the fix runs whenever the error occurs.")

    def _heal(self) -> tuple[dict[str, Any], float]:
        """Return the run of the fix, and the seconds from the error to the end of the run."""
        report.step(self.console, 8, "The same error occurs again, and the fix runs")
        before = self.story.shop.orders()
        log_id = self.story.fail_to_invoice()
        failed_at = time.monotonic()
        application = self.story.wait_until_healed(log_id)
        seconds = time.monotonic() - failed_at
        if not application["success"]:
            raise DemoFailedError(f"the fix failed: {application['error_after']}")
        self._say(
            f"The shop logged the error as row {log_id}. {seconds * 1000:.0f} ms later the webhook "
            "had delivered it and the fix had run in Postgres. The shop invoices again:"
        )
        self.story.invoice_everything()
        after = self.story.shop.orders()
        self.console.print(report.orders(before, after))
        if missing := [order["id"] for order in after if not order["invoices"]]:
            raise DemoFailedError(f"orders {missing} still cannot be invoiced")
        return application, seconds

    def _verify(self, application: dict[str, Any]) -> None:
        """Wait until it is known whether the error stayed away; raise unless it did."""
        report.step(self.console, 9, "The engine checks whether the error stays away")
        verification = self.story.verification(application, shop_is_active=True)
        self._say(report.quoted(f"{verification['outcome']}: {verification['reason']}"))
        self._say(
            "The shop logged other rows meanwhile, so it was running. The demo watches for "
            "3 seconds; by default the engine watches for at least 5 minutes."
        )
        if verification["outcome"] != "verified":
            raise DemoFailedError(f"the fix was not verified: {verification['reason']}")

    def _demote(self, operator_id: str, pattern_id: str) -> None:
        """Let a second fix of the pattern, which does not help, run until it is demoted."""
        report.step(self.console, 10, "A second fix runs without an error, but does not help")
        failed = self.story.ship_everything()
        self._say(
            f"{failed} orders could not be shipped. Their error has the same pattern but names the "
            "table parcels, so the first fix does not run for it. The address is missing, but the "
            "second fix sets the weight:"
        )
        report.script(self.console, USELESS_FIX)
        self._say(f"It is for errors with {json.dumps(USELESS_FIX_PARAMETERS['when'])}")
        self.story.approve_useless_fix(pattern_id, operator_id)
        runs = []
        for order_id in (1, 2):
            runs.append(self.story.wait_until_healed(self.story.fail_to_ship(order_id)))
            time.sleep(1)  # longer than the cooldown
        refusal = self.story.refusal(self.story.fail_to_ship(3))
        self._show(
            *map(self._run_outcome, (1, 2), runs), ("run 3", report.quoted(f"refused: {refusal}"))
        )
        modes = self.story.fix_modes(pattern_id)
        if modes != ["live", "demoted"]:
            raise DemoFailedError(f"the fixes are {modes} instead of live and demoted")

    def _run_outcome(self, number: int, run: dict[str, Any]) -> tuple[str, str]:
        if not run["success"]:
            raise DemoFailedError(f"run {number} of the second fix failed: {run['error_after']}")
        verification = self.story.verification(run)
        return f"run {number}", report.quoted(
            f"{verification['outcome']}: {verification['reason']}"
        )

    def _command(self, *words: str) -> None:
        """Show a command of `pattern-engine` and run it."""
        command = f"pattern-engine {' '.join(words)}"
        self._say(f"[dim]$ {command}[/dim]")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exit_code = main([*words, "--data-dir", str(self.stack.data_dir)])
        if exit_code != 0:
            raise DemoFailedError(f"`{command}` ended with exit code {exit_code}")
        self._say(f"[dim]{report.quoted(printed.getvalue().strip())}[/dim]")

    def _say(self, text: str) -> None:
        report.say(self.console, text)

    def _show(self, *lines: tuple[str, str]) -> None:
        self.console.print(report.summary(lines))
