"""How soon the rooms are painted and can be used, and whether a table of many rows holds up its page.

    python -m tests.benchmarks.rooms --postgres DSN [--rows 100000] [--loads 5]

Each room is loaded anew, with an empty cache, from a gateway with a scripted engine and a past of three releases: the
first contentful paint, and when its main part is there with no task of 50 ms or more still to come. Then a table of
--rows rows is shown, asked for more --grown times and scrolled to its end: the longest task of it. The DSN's user must
be allowed to create databases; one is made, and dropped. Milliseconds, medians with the worst in brackets.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.benchmarks.aggregator import database
from tests.services.gateway.conftest import FLAGS, Gateway
from tests.services.gateway.rooms.conftest import at_rest
from tests.services.gateway.rooms.house import furnished
from tests.services.gateway.rooms.past import write_past

MAIN: Final = {"/": "#station button", "/operate/": ".timeline", "/analyse/": ".chart svg"}
WATCHED: Final = """
  window.tasks = [];
  window.shownAt = null;
  const told = (list) => window.tasks.push(...list.getEntries().map((each) => [each.startTime, each.duration]));
  new PerformanceObserver(told).observe({ type: "longtask", buffered: true });
  new MutationObserver((_, self) => {
    if (document.querySelector(MAIN)) { window.shownAt = performance.now(); self.disconnect(); }
  }).observe(document, { childList: true, subtree: true });
"""
LOADED: Final = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  usable: Math.max(window.shownAt, ...window.tasks.map(([start, lasts]) => start + lasts)),
})"""
# A table in a page of its own part: [milliseconds until it is shown, the longest task in all of it].
TABLE: Final = """async ([rows, grown]) => {
  const { table } = await import("/common/table.js");
  const line = (n) => [`row ${n}`, String(n), "words of a few letters", "0.50", "2026-01-01", "why"];
  const given = Array.from({ length: rows }, (_, n) => line(n));
  const settled = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)));
  await settled();
  window.tasks.length = 0;
  const began = performance.now();
  const shown = table("Many", ["a", "b", "c", "d", "e", "f"], given);
  document.getElementById("main").append(shown);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const took = performance.now() - began;
  for (let n = 0; n < grown; n += 1) {
    shown.querySelector("button:last-of-type").click();
    scrollTo(0, document.body.scrollHeight);
    await settled();
  }
  return [took, shown.querySelectorAll("tbody tr").length, Math.max(0, ...window.tasks.map(([, lasts]) => lasts))];
}"""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--grown", type=int, default=20, help="how often the table is asked for more")
    parser.add_argument("--loads", type=int, default=5)
    options = parser.parse_args(arguments)
    with (
        database(options.postgres) as dsn,
        tempfile.TemporaryDirectory() as folder,
        furnished(dsn, Path(folder)) as house,
        sync_playwright() as playwright,
    ):
        write_past(dsn)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        print("| room | first paint | usable |\n|---|---|---|")
        for path, part in MAIN.items():
            loads = [loaded(browser, house, path, part) for _ in range(options.loads)]
            print(
                f"| `{path}` | {told([each['paint'] for each in loads])} | {told([each['usable'] for each in loads])} |"
            )
        with opened(browser, house, "/operate/", ".timeline") as page:
            took, shown, longest = page.evaluate(TABLE, [options.rows, options.grown])
        print(
            f"\n{options.rows:,} rows: there after {took:.0f} ms; grown to {shown:,} shown and scrolled, longest task",
            end=" ",
        )
        print("below 50 ms" if longest == 0 else f"{longest:.0f} ms")
        browser.close()


@contextmanager
def opened(browser: Browser, house: Gateway, path: str, part: str) -> Iterator[Page]:
    """A room that somebody has entered, loaded again with an empty cache."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.goto(house.login(path, house.listener(home="folk") if path == "/" else None))
    page.wait_for_selector(part)
    at_rest(page)
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.add_init_script(WATCHED.replace("MAIN", repr(part)))
    page.reload()
    page.wait_for_selector(part)
    at_rest(page)
    yield page
    context.close()


def loaded(browser: Browser, house: Gateway, path: str, part: str) -> dict[str, Any]:
    with opened(browser, house, path, part) as page:
        return dict(page.evaluate(LOADED))


def told(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({max(values):.0f})"


if __name__ == "__main__":
    main(sys.argv[1:])
