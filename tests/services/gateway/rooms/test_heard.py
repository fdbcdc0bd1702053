"""What was heard is told exactly, whatever happens to the page: each case with the intervals that it must give."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from schemas.topics import PLAYS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.rooms.conftest import Opened

SECONDS = 5
NEAR_MS = 60  # a browser's clock of media is no finer than its audio buffers
OVERSHOOT_MS = 2500  # a busy machine acts late; what was told is held to where it acted

# The test's own record: the stretches that sounded, from the media element itself. `when(s, act)` acts at a position.
WATCHED = """
  window.truth = [];
  window.mediaElements = [];
  const proto = HTMLMediaElement.prototype;
  const place = Object.getOwnPropertyDescriptor(proto, "currentTime");
  const play = proto.play;
  const end = (audio, at) => {
    if (audio.since !== undefined && at > audio.since) window.truth.push([audio.since, at]);
    audio.since = undefined;
  };
  Object.defineProperty(proto, "currentTime", {
    get() { return place.get.call(this); },
    set(to) {
      const sounding = this.since !== undefined;
      end(this, this.currentTime);
      place.set.call(this, to);
      if (sounding) this.since = this.currentTime;
    },
  });
  proto.play = function () {
    window.mediaElements = [this];
    this.playbackRate = window.rate ?? 1;
    this.addEventListener("pause", () => end(this, this.ended ? this.duration : this.currentTime), { once: true });
    return play.call(this).then(() => (this.since = this.since ?? this.begins));
  };
  window.addEventListener("play", ({ target }) => { target.begins = target.since = target.currentTime; }, true);
  window.sound = () => window.mediaElements[0];
  const timer = window.setTimeout;
  window.when = (seconds, act) => {
    if (window.sound() && window.sound().currentTime >= seconds) act();
    else timer(() => window.when(seconds, act), 10);
  };
  null;
"""


def card(page: Page) -> Any:
    return page.locator("#tracks > .card").first


def press(page: Page) -> None:
    card(page).locator(".play").click()


def act_at(page: Page, seconds: float, what: str) -> None:
    """Runs JavaScript in the page once the sound has come to this position."""
    page.evaluate(f"new Promise((done) => window.when({seconds}, () => done({what})))")


def to_the_end(page: Page) -> None:
    until(lambda: page.evaluate("window.sound()?.paused && window.sound().currentTime === 0"))


SEEK = """(() => {{
  const wave = document.querySelector(".card .wave");
  const {{ left, top, width }} = wave.getBoundingClientRect();
  wave.dispatchEvent(new MouseEvent("click", {{ clientX: left + width * {part}, clientY: top + 5, bubbles: true }}));
}})()"""


def seek(page: Page, at: float, to: float) -> None:
    act_at(page, at, SEEK.format(part=to / SECONDS))


def whole(page: Page) -> None:
    press(page)
    to_the_end(page)


def paused_for_a_while(page: Page) -> None:
    press(page)
    act_at(page, 1, "window.sound().pause()")
    press(page)
    to_the_end(page)


def forward(page: Page) -> None:
    press(page)
    seek(page, 1, 4)
    to_the_end(page)


def back(page: Page) -> None:
    press(page)
    seek(page, 2, 1)
    to_the_end(page)


def while_paused(page: Page) -> None:
    press(page)
    act_at(page, 1, "window.sound().pause()")
    seek(page, 0, 4)
    press(page)
    to_the_end(page)


def twice_as_fast(page: Page) -> None:
    page.evaluate("window.rate = 2")
    press(page)
    seek(page, 2, 4)
    to_the_end(page)


def hidden(page: Page) -> None:
    """A hidden tab's timers come once a second at most."""
    press(page)
    act_at(
        page,
        1,
        "(() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'));"
        "const late = window.setTimeout; window.setTimeout = (act, ms) => late(act, Math.max(ms ?? 0, 1000)); })()",
    )
    seek(page, 2, 4)
    to_the_end(page)


def asleep(page: Page) -> None:
    press(page)
    act_at(page, 1, "0")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    to_the_end(page)


def left(page: Page) -> None:
    press(page)
    act_at(page, 2, "window.sound().pause()")
    page.goto("about:blank")


def offline(page: Page) -> None:
    press(page)
    act_at(page, 0.5, "0")
    page.context.set_offline(True)
    seek(page, 1, 4)
    to_the_end(page)
    page.context.set_offline(False)


def reloaded(page: Page) -> None:
    press(page)
    act_at(page, 1, "window.sound().pause()")
    page.reload()


CASES: list[tuple[Callable[[Page], None], list[tuple[float, float]]]] = [
    (whole, [(0, 5)]),
    (paused_for_a_while, [(0, 5)]),
    (forward, [(0, 1), (4, 5)]),
    (back, [(0, 2), (1, 5)]),
    (while_paused, [(0, 1), (4, 5)]),
    (twice_as_fast, [(0, 2), (4, 5)]),
    (hidden, [(0, 2), (4, 5)]),
    (asleep, [(0, 5)]),
    (offline, [(0, 1), (4, 5)]),
    (left, [(0, 2)]),
    (reloaded, [(0, 1)]),
]


def ready_track(house: Gateway) -> tuple[str, str]:
    listener = house.listener()
    track = house.ask(listener, prompt="a tune", seconds=SECONDS)["track_id"]
    assert house.finished(track)["status"] == "ready"
    return listener, track


def told(house: Gateway, track: str) -> list[dict[str, Any]]:
    """What came, each event once, in order."""
    events = {event["id"]: event for event in house.events(PLAYS) if event["data"]["track_id"] == track}
    return [events[key] for key in sorted(events)]


def stretches(events: list[dict[str, Any]]) -> list[list[int]]:
    """What was heard, with stretches joined that follow one another."""
    found: list[list[int]] = []
    for heard in [event["data"]["heard"] for event in events if event["data"].get("heard")]:
        if found and found[-1][1] == heard["from_ms"]:
            found[-1][1] = heard["to_ms"]
        else:
            found.append([heard["from_ms"], heard["to_ms"]])
    return found


def joined(truth: list[list[float]]) -> list[list[float]]:
    found: list[list[float]] = []
    for begin, end in truth:
        if found and abs(found[-1][1] - begin) < NEAR_MS / 1000:
            found[-1][1] = end
        else:
            found.append([begin, end])
    return found


@pytest.mark.parametrize(("case", "expected"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_each_case_gives_its_intervals(
    house: Gateway, enter: Opened, case: Callable[[Page], None], expected: list[tuple[float, float]]
) -> None:
    listener, track = ready_track(house)
    page = enter(listener=listener)
    page.evaluate(WATCHED)
    case(page)
    last = max(end for _, end in expected)
    until(lambda: bool(stretches(told(house, track))) and stretches(told(house, track))[-1][1] >= last * 1000 - NEAR_MS)
    heard = stretches(told(house, track))
    assert len(heard) == len(expected), heard
    for (begin, end), (wanted_begin, wanted_end) in zip(heard, expected, strict=True):
        assert begin == pytest.approx(wanted_begin * 1000, abs=NEAR_MS)
        assert wanted_end * 1000 - NEAR_MS <= end <= wanted_end * 1000 + OVERSHOOT_MS
    truth = page.evaluate("window.truth ?? null") if case not in (left, reloaded) else None
    if truth:
        for (begin, end), (true_begin, true_end) in zip(heard, joined(truth), strict=True):
            assert (begin, end) == pytest.approx((true_begin * 1000, true_end * 1000), abs=NEAR_MS)


def test_of_two_tabs_one_sounds(house: Gateway, enter: Opened) -> None:
    listener, track = ready_track(house)
    one, other = enter(listener=listener), enter(listener=listener)
    for page in (one, other):
        page.evaluate(WATCHED)
    press(one)
    act_at(one, 1, "0")
    press(other)
    until(lambda: one.evaluate("window.sound().paused"))
    to_the_end(other)
    ends = {"encore.play.completed", "encore.play.interrupted"}
    until(lambda: ends <= {event["type"] for event in told(house, track)})
    plays: dict[str, list[dict[str, Any]]] = {}
    for event in told(house, track):
        plays.setdefault(event["data"]["play_id"], []).append(event)
    first, second = sorted(plays.values(), key=lambda events: str(events[0]["id"]))
    stopped = one.evaluate("window.sound().currentTime") * 1000
    assert first[-1]["type"] == "encore.play.interrupted"
    assert stretches(first)[0] == [0, pytest.approx(stopped, abs=NEAR_MS)]
    assert stretches(second) == [[0, SECONDS * 1000]]


def test_what_a_killed_page_had_not_sent_is_sent_by_the_next(house: Gateway, enter: Opened) -> None:
    listener, track = ready_track(house)
    page = enter(listener=listener)
    page.evaluate(WATCHED)
    page.route("**/v1/events", lambda route: route.abort())
    press(page)
    act_at(page, 2, "window.sound().pause()")
    until(
        lambda: page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('encore-event-')).length") >= 2
    )
    page.close(run_before_unload=False)
    enter(listener=listener)
    until(lambda: len(told(house, track)) >= 2)
    assert [event["type"] for event in told(house, track)][:2] == ["encore.play.started", "encore.play.paused"]
    (heard,) = stretches(told(house, track))
    assert heard[0] == 0
    assert 2000 <= heard[1] <= 2000 + OVERSHOOT_MS
