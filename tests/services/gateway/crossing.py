"""Requests by the thousand in which one principal reaches for what is another's; none may be answered with it.

    python -m tests.services.gateway.crossing --postgres DSN [--requests 100000] [--seed 1]

Three services with listeners of their own, each listener with a song, a track, a pair, a four and words that are nobody
else's.
Listeners, services, analysts and people without a right token ask every route with ids of all of them: in the path, the
query, the body and headers, spelt in many ways, named twice, with signatures of other tokens. Each request has a token
of its own, made for it. An answer is wrong if it has anything of a listener beyond the principal's reach that the
request did not bring itself, if it is a success though its path names such a thing, if a token that is right was not
believed, or if it is a server's error. What the listeners of a fourth service had, for which nobody
asks who may, must in the end be what it was. The DSN's user must be allowed to create databases; one is made, and
dropped.
"""

import argparse
import base64
import json
import logging
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import httpx
import structlog

from infra.documents.matrix import Row, rows
from services.audit import Kind
from services.identifiers import uuid7
from tests.benchmarks.aggregator import database
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav
from tests.services.gateway.rooms.house import furnished

SERVICES: Final = ("one-product", "another-product", "a-third")
QUIET: Final = "a-quiet-product"
EACH: Final = 2  # listeners of a service
# What is of nobody: routes that make something new at each call would only fill the database.
SELDOM: Final = ("POST /v1/tracks", "POST /v1/pairs", "POST /v1/fours", "POST /v1/listeners", "POST /v1/logins")
SELDOM_SHARE: Final = 0.02
PLAIN_SHARE: Final = 0.7
OWN_SHARE: Final = 0.5  # of what a path names is within reach, so that routes are passed with another's in the rest
HEADERS: Final = ("X-Listener-Id", "X-Forwarded-User", "X-Original-URL", "X-Rewrite-URL", "Cookie")


@dataclass(frozen=True)
class Owner:
    """A listener and everything that only they have; `ids` by the names of path parameters."""

    service: str
    ids: dict[str, str]
    secrets: frozenset[str]


@dataclass(frozen=True)
class Asker:
    """Who asks; `reach` are the places of owners whose things they may see. `token` makes them one that is fresh, so
    that it holds however long all takes; `valid`: it is to be believed."""

    kind: str
    token: Callable[[], str]
    reach: frozenset[int]
    valid: bool = True


@dataclass(frozen=True)
class Asked:
    method: str
    url: str
    options: dict[str, Any]
    of: frozenset[int]
    """Owners of what its path names."""


@dataclass
class Crossing:
    """Owners, askers and the routes between them."""

    owners: Sequence[Owner]
    askers: Sequence[Asker]
    routes: Sequence[Row]
    draw: random.Random

    def request(self) -> tuple[Asker, Asked]:
        """Somebody's request to some route, about anybody."""
        row = self.draw.choice(self.routes)
        while f"{row.method} {row.path}" in SELDOM and self.draw.random() > SELDOM_SHARE:
            row = self.draw.choice(self.routes)
        asker = self.draw.choice(self.askers)
        named: set[int] = set()
        path = row.path
        for name in ("listener_id", "track_id", "pair_id", "four_id", "song_id"):
            if f"{{{name}}}" in path:
                place = self.draw.choice(self.within(asker, row))
                named.add(place)
                path = path.replace(f"{{{name}}}", self.spelt(self.owners[place].ids[name]))
        while "{" in path:
            path = path[: path.index("{")] + str(uuid7()) + path[path.index("}") + 1 :]
        url = path + self.query()
        return asker, Asked(row.method, url, self.options(asker, row), frozenset(named))

    def within(self, asker: Asker, row: Row) -> list[int]:
        """Whom a path may name: nobody erases their own, or soon there would be nobody left."""
        everyone = range(len(self.owners))
        if row.scope == "erase":
            return [place for place in everyone if place not in asker.reach]
        return sorted(asker.reach) if asker.reach and self.draw.random() < OWN_SHARE else list(everyone)

    def spelt(self, given: str) -> str:
        """The same id as a stranger may write it."""
        if self.draw.random() < PLAIN_SHARE:
            return given
        ways = (
            given.upper(), given.replace("-", ""), f"{{{given}}}", f"urn:uuid:{given}",
            f"{given} ", f"{given}\x00", f"../{given}", f"%2e%2e%2f{given}", f"{given};x=1", f"{given}%20",
        )  # fmt: skip
        return quote(self.draw.choice(ways), safe="%")

    def anyone(self, name: str = "listener_id") -> str:
        return self.draw.choice(self.owners).ids[name]

    def query(self) -> str:
        """Parameters that no route has, or only another; at times none."""
        names = ("listener_id", "me", "service", "before", "after", "subject", "learned_from", "cohort", "limit")
        given = [f"{name}={self.anyone()}" for name in names if self.draw.random() < 0.1]
        if self.draw.random() < 0.2:
            given.append(f"before={self.anyone('track_id')}")
        return "?" + "&".join(given) if given else ""

    def options(self, asker: Asker, row: Row) -> dict[str, Any]:
        token = asker.token()
        headers = [("Authorization", f"Bearer {token}")] if token else []
        headers += [(name, self.anyone()) for name in HEADERS if self.draw.random() < 0.1]
        if f"{row.method} {row.path}" == "POST /v1/listeners/{listener_id}/songs":
            return {"headers": headers, "files": {"file": ("x.wav", b"no sound", "audio/wav")}}
        if row.method in ("POST", "PUT"):
            content = self.body(f"{row.method} {row.path}")
            return {"headers": [*headers, ("Content-Type", "application/json")], "content": content}
        return {"headers": headers}

    def body(self, route: str) -> str:
        wish = {"listener_id": self.anyone(), "seconds": 2, "prompt": "x", "more_like": self.anyone("track_id")}
        bodies: dict[str, Any] = {
            "POST /v1/events": [self.event() for _ in range(self.draw.randint(1, 3))],
            "PUT /v1/listeners/{listener_id}/consent": {"training": True, "text_version": "1"},
            "PUT /v1/listeners/{listener_id}/playing": self.playing(),
            "PUT /v1/listeners/{listener_id}/taste": {"corrections": {"drums": -1}},
            "POST /v1/logins": {"kind": "listener", "listener_id": self.anyone()},
            "POST /v1/sessions": {"code": self.anyone()},
            "POST /v1/tracks": wish,
            "POST /v1/pairs": wish,
            "POST /v1/fours": {name: wish[name] for name in ("listener_id", "seconds", "prompt")},
            "POST /v1/orders": {"action": "opt_out", "listener_id": self.anyone(), "reason": "x"},
            "POST /v1/switches": {"listener_id": self.anyone(), "reason": "x"},
        }
        text = json.dumps(bodies.get(route, {}))
        if text.startswith("{") and self.draw.random() < 0.1:  # one name twice
            return f'{{"listener_id": "{self.anyone()}", {text[1:]}' if len(text) > 2 else text
        return text

    def playing(self) -> dict[str, Any]:
        station = {"seconds": 2, "made": 1, "tracks": [self.anyone("track_id") for _ in range(2)], "at_s": 1}
        return {"device_id": str(uuid7()), "begins": True, "station": station}

    def event(self) -> dict[str, Any]:
        now = "2026-01-01T12:00:00Z"
        told = {"specversion": "1.0", "id": str(uuid7()), "source": "x", "time": now, "sentat": now}
        kind = self.draw.choice(("rating.given", "pair.voted", "four.picked"))
        data = {"track_id": self.anyone("track_id"), "stars": 1}
        if kind == "pair.voted":
            data = {"pair_id": self.anyone("pair_id"), "choice": "first"}
        if kind == "four.picked":
            data = {"four_id": self.anyone("four_id"), "choice": "first"}
        return {**told, "type": f"encore.{kind}", "subject": self.anyone(), "data": data}

    def wrong(self, asker: Asker, asked: Asked, answer: httpx.Response) -> str | None:
        """What must not be of this answer, or None."""
        if answer.status_code >= 500:
            return f"{answer.status_code} {answer.text[:200]}"
        if not asker.valid and answer.status_code < 400:
            return f"{answer.status_code} without a right token"
        if asker.valid and answer.status_code == 401 and answer.json()["code"] == "unauthorized":
            return f"401 with a right token: {answer.text[:200]}"
        beyond = [place for place in range(len(self.owners)) if place not in asker.reach]
        if answer.is_success and asked.of & set(beyond):
            return f"{answer.status_code} for what is another's"
        brought = f"{asked.url} {asked.options}"
        told = f"{answer.text} {answer.headers}"
        for place in beyond:
            for secret in self.owners[place].secrets:
                if secret in told and secret not in brought:
                    return f"{answer.status_code} tells {secret} of another"
        return None


def made(gateway: Gateway, service: str, number: int) -> Owner:
    """A new listener of the service with things of their own."""
    headers = {"Authorization": f"Bearer {gateway.token('service', service)}"}
    word = f"secretword{number}x"

    def post(path: str, **sent: Any) -> Any:
        return gateway.http.post(path, headers=headers, **sent).raise_for_status().json()

    listener = post("/v1/listeners", json={})["listener_id"]
    sent = {"file": (f"{word}.wav", wav(hertz=200 + 10 * number), "audio/wav")}
    song = post(f"/v1/listeners/{listener}/songs", files=sent)["song_id"]
    wish = {"listener_id": listener, "prompt": word, "seconds": 2}
    track, pair = post("/v1/tracks", json=wish)["track_id"], post("/v1/pairs", json=wish)
    halves = [pair[half]["track_id"] for half in ("first", "second")]
    four = post("/v1/fours", json=wish)
    takes = [take["track_id"] for take in four["tracks"]]
    for track_id in (track, *halves, *takes):
        gateway.http.get(f"/v1/tracks/{track_id}/events", headers=headers).raise_for_status()
    ids = {"listener_id": listener, "track_id": track, "pair_id": pair["pair_id"], "song_id": song}
    ids["four_id"] = four["four_id"]
    return Owner(service, ids, frozenset((word, *ids.values(), *halves, *takes)))


def askers(gateway: Gateway, owners: Sequence[Owner]) -> Iterator[Asker]:
    """Everybody but operators, whose part it is to see all; and tokens that must not be believed."""
    nobody: frozenset[int] = frozenset()
    listeners = [partial(gateway.token, "listener", owner.ids["listener_id"]) for owner in owners]
    for service in SERVICES:
        reach = frozenset(place for place, owner in enumerate(owners) if owner.service == service)
        yield Asker("service", partial(gateway.token, "service", service), reach)
    for place, owner in enumerate(owners):
        if owner.service != QUIET:
            yield Asker("listener", listeners[place], frozenset({place}))
    others: tuple[Kind, ...] = ("analyst", "process")
    yield from (Asker(kind, partial(gateway.token, kind, "ada"), nobody) for kind in others)
    yield Asker("listener", partial(gateway.token, "listener", str(UUID(int=7))), nobody)
    yield Asker("nobody", str, nobody, valid=False)
    yield Asker("forged", lambda: with_anothers_claims(listeners[0](), listeners[1]()), nobody, valid=False)
    yield Asker("forged", lambda: unsigned(listeners[1]()), nobody, valid=False)


def with_anothers_claims(token: str, other: str) -> str:
    """The head and the signature of the one, what the other says."""
    head, _, signature = token.split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"


def unsigned(token: str) -> str:
    """What the token says, without a signature."""
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    return f"{head}.{token.split('.')[1]}."


def crossed(gateway: Gateway, requests: int, seed: int) -> tuple[dict[str, Counter[int]], list[str]]:
    """Asks that often; how often each kind of asker was answered with which status, and what was wrong, told."""
    owners = [made(gateway, service, n) for n, service in enumerate((*SERVICES, QUIET) * EACH)]
    quiet = [owner for owner in owners if owner.service == QUIET]
    before = [belongings(gateway, owner) for owner in quiet]
    routes = [row for row in rows() if row.scope != "operate"]
    crossing = Crossing(owners, list(askers(gateway, owners)), routes, random.Random(seed))
    answers: dict[str, Counter[int]] = defaultdict(Counter)
    complaints = []
    with httpx.Client(base_url=gateway.url, timeout=120) as http:
        for _ in range(requests):
            asker, asked = crossing.request()
            answer = http.request(asked.method, asked.url, **asked.options)
            answers[asker.kind][answer.status_code] += 1
            if said := crossing.wrong(asker, asked, answer):
                complaints.append(f"{asked.method} {asked.url} by {asker.kind}: {said}")
    if [belongings(gateway, owner) for owner in quiet] != before:
        complaints.append(f"what listeners of {QUIET} have was changed by others")
    return answers, complaints


def belongings(gateway: Gateway, owner: Owner) -> list[str]:
    """What a listener has, as their service reads it."""
    headers = {"Authorization": f"Bearer {gateway.token('service', owner.service)}"}
    paths = ("songs", "taste", "consent", "tracks", "ratings")
    at = f"/v1/listeners/{owner.ids['listener_id']}"
    return [gateway.http.get(f"{at}/{path}", headers=headers).raise_for_status().text for path in paths]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with (
        database(options.postgres) as dsn,
        tempfile.TemporaryDirectory() as folder,
        furnished(dsn, Path(folder), budget_requests=10**9, budget_events=10**9) as gateway,
    ):
        answers, complaints = crossed(gateway, options.requests, options.seed)
    for kind, statuses in answers.items():
        print(f"{kind}: {statuses.total():,} requests, answered {dict(sorted(statuses.items()))}")
    print(f"{len(complaints)} wrong")
    print("\n".join(complaints[:20]))
    raise SystemExit(bool(complaints))


if __name__ == "__main__":
    main(sys.argv[1:])
