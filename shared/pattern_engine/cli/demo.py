"""`pattern-engine demo`: the whole life of an error, with what happens on the screen."""

import argparse
import contextlib
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
from postgrest.exceptions import APIError
from rich.console import Console

from pattern_engine.cli import main
from pattern_engine.cli.places import fail
from pattern_engine.demo import report
from pattern_engine.demo.shop import FIX, FIX_PARAMETERS, FIXED_TABLE, USELESS_FIX, open_shop
from pattern_engine.demo.story import OPERATOR_EMAIL, SETTINGS, DemoFailedError, Story
from pattern_engine.local.errors import StackError
from pattern_engine.local.project import Project
from pattern_engine.local.stack import Stack

_SHOWN_PATTERNS = 8


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `demo`."""
    demo = commands.add_parser("demo", help="show the whole life of an error on a local Supabase")
    demo.add_argument("--data-dir", type=Path, help="default: .pattern-engine/demo, made anew")
    demo.add_argument("--port", type=int, default=0, help="default: a free one")
    demo.add_argument("--server", choices=("wheel", "debian", "auto"), default="auto")
    demo.add_argument("--keep", action="store_true", help="leave the stack up until Ctrl-C")
    demo.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo; the exit code is 0 only if the error healed and stayed away."""
    console = Console()
    data_dir = options.data_dir or Project.find().data_directory / "demo"
    shutil.rmtree(data_dir, ignore_errors=True)
    try:
        console.print("[bold]The error tracker that heals[/bold]")
        started = time.monotonic()
        with Stack(data_dir, port=options.port, server=options.server, settings=SETTINGS) as stack:
            report.say(console, f"a local Supabase is up after {time.monotonic() - started:.1f} s")
            _tell(console, stack)
            if options.keep:
                _stay(console, stack)
    except (StackError, DemoFailedError, APIError, httpx.HTTPError) as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _stay(console: Console, stack: Stack) -> None:
    status = stack.status()
    console.print(f"\nStill up at {status['api_url']}; Ctrl-C stops it.")
    console.print(f"   secret key  {status['secret_key']}", highlight=False)
    console.print(f"   database    {status['db_url']}", highlight=False, soft_wrap=True)
    stack.watch(lambda: False)


def _tell(console: Console, stack: Stack) -> None:
    """Tell the story to its end, or to an exception: an error healed, and a fix that did not."""
    status = stack.status()
    story = Story(status)
    open_shop(status["db_url"])
    errors = _learn_history(console, story)
    operator_id, clusters = _cluster(console, stack, story)
    pattern = _break_the_shop(console, story)
    proposal = _propose(console, stack, story, pattern)
    _decide(console, story, proposal)
    application, seconds = _heal(console, story)
    _require_healed(story, application)
    _verify(console, story, application)
    useless = _demote(console, story, operator_id)
    fixed, statistics = story.pattern(pattern["pattern_id"]), story.statistics()
    least = fixed["confidence_lower_bound"] * 100
    report.step(console, 10, "What happened")
    console.print(
        report.summary(
            [
                ("errors in", f"{errors + fixed['occurrence_count'] + useless}"),
                ("patterns out", f"{statistics['total_patterns']}"),
                ("clusters", f"{len(clusters)}"),
                ("rows fixed", f"{application['system_state_after']['rows_touched']}"),
                ("error to healed", f"{seconds * 1000:.0f} ms"),
                ("success rate", f"{pattern['success_rate']} → {fixed['success_rate']} %"),
                ("confidence", f"{pattern['confidence_score']} → {fixed['confidence_score']}"),
                (
                    "helps at least",
                    (
                        f"{least:.0f} % of the time, with 95 % certainty "
                        f"after {fixed['confidence_outcomes']:.0f} outcome"
                    ),
                ),
            ]
        )
    )
    console.print(
        "\n[bold green]The error healed itself and stayed away.[/bold green] "
        "[bold]The fix that did not help waits for a person.[/bold]"
    )


def _learn_history(console: Console, story: Story) -> int:
    """Write the sample and wait for the webhook; return how many errors it holds."""
    report.step(console, 1, "Errors go into ops.system_logs; the database webhook brings them")
    with report.progress(console) as progress:
        writing = progress.add_task("written", total=None)
        errors = story.write_history(
            lambda done, total: progress.update(writing, completed=done, total=total)
        )
        learning = progress.add_task("learned", total=errors)
        seconds = story.wait_until_learned(
            errors, lambda done, total: progress.update(learning, completed=done, total=total)
        )
    report.say(console, f"{errors} errors; all learned {seconds:.1f} s after the last was written")
    report.step(console, 2, "They became patterns; the largest")
    console.print(report.patterns(story.largest_patterns(_SHOWN_PATTERNS)))
    return errors


def _cluster(console: Console, stack: Stack, story: Story) -> tuple[str, list[dict[str, Any]]]:
    """Return the operator's user id and the clusters."""
    report.step(console, 3, "An operator signs up and clusters them")
    operator_id = story.sign_up_operator()
    _command(console, stack, "operators", "add", OPERATOR_EMAIL, "--role", "ops_admin")
    clusters = story.cluster()
    console.print(report.clusters(clusters))
    return operator_id, clusters


def _break_the_shop(console: Console, story: Story) -> dict[str, Any]:
    """Return the pattern of the shop's error."""
    report.step(console, 4, "A shop cannot invoice: five of its orders have no currency")
    done, failed = story.invoice_everything()
    report.say(console, f"{done} order invoiced, {failed} failed:")
    waiting = story.awaiting_pattern()
    report.say(console, f"[italic]{waiting['template']}[/italic]")
    report.say(console, f"seen {waiting['occurrence_count']} times, it awaits approval")
    return story.pattern(waiting["pattern_id"])


def _propose(
    console: Console, stack: Stack, story: Story, pattern: dict[str, Any]
) -> dict[str, Any]:
    """Return the proposal."""
    report.step(console, 5, "The operator proposes a fix; it is tried, and nothing of it stays")
    report.script(console, FIX)
    report.say(console, f"$1 is {json.dumps(FIX_PARAMETERS)}")
    _command(console, stack, "fixer", "grant", FIXED_TABLE)
    proposal = story.propose(pattern["pattern_id"])
    dry_run, replay = proposal["dry_run"], proposal["replay"]
    console.print(
        report.summary(
            [
                ("it does", ", ".join(proposal["analysis"]["operations"])),
                ("dry-run", report.rows_by_table(dry_run["tables"]) + ", rolled back"),
                ("replay", report.replayed(replay)),
                ("digest", f"{proposal['sha256'][:16]}…"),
            ]
        )
    )
    still_missing = sum(order["currency"] is None for order in story.shop.orders())
    report.say(console, f"{still_missing} orders have no currency, as before")
    return proposal


def _decide(console: Console, story: Story, proposal: dict[str, Any]) -> None:
    report.step(console, 6, "He approves what he has read: this digest and no other")
    story.decide(proposal)
    report.say(console, "approved; from now on it applies itself")


def _heal(console: Console, story: Story) -> tuple[dict[str, Any], float]:
    """Return the application of the fix, and the seconds from the error to its end."""
    report.step(console, 7, "The same error occurs again")
    before = story.shop.orders()
    log_id = story.break_again()
    broke_at = time.monotonic()
    application = story.wait_until_healed(log_id)
    seconds = time.monotonic() - broke_at
    report.say(console, f"the shop logged it as row {log_id}; {seconds * 1000:.0f} ms later the")
    report.say(
        console, "webhook had come and the fix had run inside Postgres. The shop tries again:"
    )
    story.invoice_everything()
    console.print(report.orders(before, story.shop.orders()))
    return application, seconds


def _require_healed(story: Story, application: dict[str, Any]) -> None:
    """Raise DemoFailedError unless the error is gone."""
    if not application["success"]:
        raise DemoFailedError(f"the fix failed: {application['error_after']}")
    missing = [order["id"] for order in story.shop.orders() if not order["invoices"]]
    if missing:
        raise DemoFailedError(f"orders {missing} still cannot be invoiced")


def _verify(console: Console, story: Story, application: dict[str, Any]) -> None:
    """Wait until it is known whether the error stayed away; raise unless it did."""
    report.step(console, 8, "Did it help? That the script ended well proves nothing")
    verification = story.verification(application, breathe=True)
    report.say(console, f"{verification['outcome']}: {verification['reason']}")
    report.say(
        console, "The shop was heard of meanwhile. On a real project that takes 5 minutes or more."
    )
    if verification["outcome"] != "verified":
        raise DemoFailedError(f"the fix was not verified: {verification['reason']}")


def _demote(console: Console, story: Story, operator_id: str) -> int:
    """Approve a fix that does not help, until it is demoted; return how many errors that took."""
    report.step(console, 9, "A second fix runs without an error, and does not help")
    failed = story.ship_everything()
    waiting = story.awaiting_pattern("shipping")
    report.say(
        console, f"{failed} orders could not be shipped: [italic]{waiting['template']}[/italic]"
    )
    report.say(console, "the address is missing, and this fix sets the weight:")
    report.script(console, USELESS_FIX)
    story.approve_useless_fix(waiting["pattern_id"], operator_id)
    runs = []
    for order_id in (1, 2):
        runs.append(story.wait_until_healed(story.fail_to_ship(order_id)))
        time.sleep(1)
    reason = story.refusal(story.fail_to_ship(3))
    for run in runs:
        verification = story.verification(run, breathe=False)
        ended = "ended well" if run["success"] else "failed"
        report.say(
            console, f"the script {ended}; {verification['outcome']}: {verification['reason']}"
        )
    report.say(console, f"[bold]{reason}[/bold]")
    mode = story.fix(waiting["pattern_id"])["mode"]
    if mode != "demoted":
        raise DemoFailedError(f"a fix that does not help is {mode}")
    return failed + len(runs) + 1


def _command(console: Console, stack: Stack, *words: str) -> None:
    """Show a command of ours and run it."""
    report.say(console, f"[dim]$ pattern-engine {' '.join(words)}[/dim]")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exit_code = main([*words, "--data-dir", str(stack.data_dir)])
    if exit_code != 0:
        raise DemoFailedError(f"pattern-engine {' '.join(words)} failed")
    report.say(console, f"[dim]{printed.getvalue().strip()}[/dim]")
