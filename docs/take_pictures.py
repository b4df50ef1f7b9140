"""Go through the first tutorial in a browser and take its pictures: `python -m docs.take_pictures`.

It starts a stack of its own with the sample of the demo in it, follows `docs/tutorial/console.md`
step by step, and writes `docs/pictures/*.png`. A test follows the same steps and takes none.
"""

# ruff: noqa: INP001  a script beside the pages that it illustrates, not a package

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from pattern_engine.cli import main as command_line
from pattern_engine.cli.terminal import show
from pattern_engine.demo.story import Story
from pattern_engine.local import sign_in_links
from pattern_engine.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, ViewportSize

PICTURES = Path(__file__).resolve().parent / "pictures"
SCRIPT = "UPDATE orders SET currency = 'EUR' WHERE currency IS NULL"
REASON = "the shop sells in euros alone"
_SIZE: ViewportSize = {"width": 1180, "height": 860}
_PATIENCE_MS = 20_000


@dataclass(frozen=True)
class Tutorial:
    """The steps of the tutorial, in the browser of the demo operator.

    Attributes:
        command: Runs a command of `pattern-engine` on the stack; returns its exit code.
        photograph: Called with the name of each picture when the page shows what is on it.
    """

    page: Page
    link: str
    command: Callable[..., int]
    photograph: Callable[[str], None]

    def follow(self) -> None:
        """Do every step, from signing in to the run of the fix."""
        self.sign_in()
        self.let_it_fail()
        self.look_at_the_pattern()
        self.propose()
        self.approve()
        self.let_it_heal()

    def sign_in(self) -> None:
        """Step 1: follow the link that `make up` printed."""
        self.page.goto(self.link)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Inbox")

    def let_it_fail(self) -> None:
        """Step 2: the shop fails, and the inbox shows its pattern without being loaded again."""
        self._run("shop", exit_code=1)
        expect(self._pattern_link()).to_be_visible(timeout=_PATIENCE_MS)
        self.photograph("inbox")

    def look_at_the_pattern(self) -> None:
        """Step 3: the page of the pattern."""
        self._pattern_link().click()
        expect(self.page.get_by_text("currency").first).to_be_visible()
        self.photograph("pattern")

    def propose(self) -> None:
        """Step 4: grant the table, and propose the script."""
        self._run("fixer", "grant", "public.orders", "--yes")
        self.page.get_by_role("link", name="Propose a fix").first.click()
        self.page.get_by_label("Script", exact=True).fill(SCRIPT)
        self.page.get_by_role("button", name="Propose it").click()

    def approve(self) -> None:
        """Step 5: read the fresh dry-run, and approve."""
        expect(self.page.locator("#preview")).to_contain_text("public.orders", timeout=_PATIENCE_MS)
        self.photograph("review")
        form = self.page.locator('form[data-decision="approve"]')
        form.get_by_role("textbox").first.fill(REASON)
        form.get_by_role("button", name="Approve").click()
        expect(self.page.get_by_role("status").filter(has_text="pprove").first).to_be_visible()

    def let_it_heal(self) -> None:
        """Step 6: the next error heals itself, and the page of the run shows it."""
        self._run("shop")
        self.page.get_by_role("link", name="Applications").click()
        self.page.locator("#runs a").first.click()
        expect(self.page.get_by_text("public.orders").first).to_be_visible()
        self.photograph("application")

    def _run(self, *words: str, exit_code: int = 0) -> None:
        ended = self.command(*words)
        if ended != exit_code:
            raise RuntimeError(f"pattern-engine {' '.join(words)} ended with {ended}")

    def _pattern_link(self) -> Locator:
        return self.page.locator("main a").filter(has_text="null value in column").first


def take(data_dir: Path, *, dark: bool) -> None:
    """Take all pictures on a new stack."""
    chromium = shutil.which("chromium")
    with Stack(data_dir, port=0) as stack, sync_playwright() as playwright:
        status = stack.status()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport=_SIZE, color_scheme="dark" if dark else "light")
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()

        def command(*words: str) -> int:
            return command_line([*words, "--data-dir", str(data_dir)])

        def photograph(name: str) -> None:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}.png")
            show(f"wrote {name}.png")

        story = Story(status)
        total = story.write_history(lambda _done, _total: None)
        story.wait_until_learned(total, lambda _done, _total: None)
        link = sign_in_links.new(status, sign_in_links.DEMO_OPERATOR, "ops_admin")
        Tutorial(page, link, command, photograph).follow()
        page.get_by_role("link", name="Statistics").click()
        photograph("statistics")
        browser.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dark", action="store_true", help="take them in the dark theme")
    PICTURES.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="pattern-engine-pictures-"))
    home.chmod(0o755)
    try:
        take(home / "stack", dark=parser.parse_args().dark)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
