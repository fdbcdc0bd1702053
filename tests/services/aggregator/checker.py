"""What the tables must say, worked out a second time in the plainest way: no line of the aggregator is used here."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg

from services.streams import Message


def differences(messages: Iterable[Message], dsn: str) -> list[str]:
    """Every way in which the database is not what was sent: lost, doubled, or another value. Messages under one
    identity are taken to be equal."""
    sent = _events(messages)
    with psycopg.connect(dsn) as connection:
        stored = connection.execute("select source, id::text from feedback.events").fetchall()
        ratings = connection.execute("select listener_id::text, track_id::text, stars from feedback.ratings").fetchall()
        plays = connection.execute("select listener_id::text, track_id::text, heard from feedback.plays").fetchall()
        votes = connection.execute("select pair_id::text, choice from feedback.pair_votes").fetchall()
        picks = connection.execute("select four_id::text, choice from feedback.picks").fetchall()
    wanted = {(event["subject"], event["id"]) for event in sent}
    held = [(source.removeprefix("listeners/")[:36], number) for source, number in stored]
    listeners = {number: subject for subject, number in wanted}
    held = [(subject if len(subject) == 36 else listeners.get(number, ""), number) for subject, number in held]
    found = [f"lost: {identity}" for identity in wanted - set(held)]
    found += [f"doubled or never sent: {identity}" for identity in set(held) - wanted]
    found += ["an identity is stored twice"] if len(held) != len(set(held)) else []
    found += _compared("rating", _last_stars(sent), {(one, track): stars for one, track, stars in ratings})
    heard = {
        (one, track): {ms for part in parts for ms in range(part.lower, part.upper)} for one, track, parts in plays
    }
    found += _compared("play", _heard(sent), heard)
    found += _compared("pick", _last_picks(sent), dict(picks))
    return found + _compared("vote", _first_choices(sent), dict(votes))


def _events(messages: Iterable[Message]) -> list[dict[str, Any]]:
    events = {}
    for message in messages:
        try:
            event = json.loads(message.value or b"")
        except ValueError:
            continue
        events[event["subject"], event["source"], event["id"]] = event
    return list(events.values())


def _when(event: dict[str, Any]) -> tuple[datetime, str]:
    return datetime.fromisoformat(event["time"]), event["id"]


def _compared(what: str, wanted: dict[Any, Any], stored: dict[Any, Any]) -> list[str]:
    keys = {*wanted, *stored}
    return [f"{what} {key}" for key in keys if wanted.get(key) != stored.get(key)]


def _last_stars(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], int]:
    found = {}
    for event in sorted(events, key=_when):
        if event["type"] == "encore.rating.given":
            found[event["subject"], event["data"]["track_id"]] = event["data"]["stars"]
    return found


def _first_choices(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for event in sorted(events, key=_when):
        if event["type"] == "encore.pair.voted":
            found.setdefault(event["data"]["pair_id"], event["data"]["choice"])
    return found


def _last_picks(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    chosen = [event["data"] for event in sorted(events, key=_when) if event["type"] == "encore.four.picked"]
    return {data["four_id"]: data["choice"] for data in chosen}


def _heard(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], set[int]]:
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for event in events:
        if event["type"].startswith("encore.play."):
            stretch = event["data"].get("heard")
            found[event["subject"], event["data"]["track_id"]].update(
                range(stretch["from_ms"], stretch["to_ms"]) if stretch else ()
            )
    return dict(found)
