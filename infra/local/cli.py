"""The launcher's words: commands and options, nothing else. Standard library only, so that `--help` answers at once."""

import argparse
from collections.abc import Callable, Sequence
from typing import Final

EPILOG = "Data, logs and ports live in .encore/ (ENCORE_HOME moves it), the environment in .venv (ENCORE_VENV)."
IN_STACK: Final = {
    "adapters": "services.rollout.adapters",
    "releases": "services.rollout.releases",
    "rollups": "services.aggregator.rollups",
    "audit": "services.aggregator.audit",
    "letters": "services.aggregator.letters",
    "archive": "services.aggregator.archive",
    "replay": "services.aggregator.replay",
    "import": "services.gateway.importing",
    "trace": "services.aggregator.trace",
    "uplift": "infra.analyst",
    "access": "services.principals",
}
"""Commands of the services and for analysts, by the module that each is."""
PASSING_ON: Final = ("demo", "study", "test", "bench", *IN_STACK)

# What `add_parser` of the sub-commands gives; argparse has no public name for its owner.
Commands = Callable[..., argparse.ArgumentParser]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options; `options` holds what goes on to the play, pytest or the benchmark untouched."""
    known, passed_on = parser().parse_known_args(arguments)
    if known.command not in PASSING_ON and passed_on:
        parser().error(f"unrecognised: {' '.join(passed_on)}")
    known.options = passed_on
    return known


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="./encore", description="Encore on one machine.", epilog=EPILOG)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_up,
        _add_down,
        _add_status,
        _add_logs,
        _add_demo,
        _add_study,
        _add_test,
        _add_bench,
        _add_pictures,
        _add_adapters,
        _add_releases,
        _add_rollups,
        _add_audit,
        _add_letters,
        _add_archive,
        _add_replay,
        _add_import,
        _add_trace,
        _add_uplift,
        _add_access,
    ):
        add(commands.add_parser)
    return top


def _add_up(add: Commands) -> None:
    up = add(
        "up",
        help="set up what is missing and start every part in the background",
        description="Set up what is missing, start every part in the background, wait until all are healthy. On a "
        "stack that runs already it checks every part and starts those that are missing.",
        epilog="Anything may be run elsewhere: with ENCORE_POSTGRES_DSN, ENCORE_KAFKA_BOOTSTRAP, ENCORE_MLFLOW_URL or "
        "ENCORE_RAY_ADDRESS set, that part is used and none is started.",
    )
    up.add_argument("parts", nargs="*", metavar="PART", help="start only these parts and what they need")


def _add_down(add: Commands) -> None:
    add(
        "down",
        help="stop everything; the data stays",
        description="Stop every part in reverse order and make sure that no process is left. The data stays.",
    )


def _add_status(add: Commands) -> None:
    status = add(
        "status",
        help="show each part: address, health, process id, memory, restarts",
        description="Show each part with its address, health, process id, memory and restarts. The exit status is 0 "
        "when every part is healthy.",
    )
    status.add_argument("--json", action="store_true", help="the same for a program")


def _add_logs(add: Commands) -> None:
    logs = add("logs", help="show the log of one part", description="Show the last lines of one part's log.")
    logs.add_argument("part", metavar="NAME", help="a part as in ./encore status, or supervisor")
    logs.add_argument("-n", "--lines", type=int, default=50, help="how many lines (default 50)")
    logs.add_argument("-f", "--follow", action="store_true", help="stay and show what is added, until Ctrl-C")


def _add_demo(add: Commands) -> None:
    demo = add(
        "demo",
        help="start everything and play the loop with simulated listeners",
        usage="./encore demo [-h] [--json FILE] [PLAY OPTIONS]",
        allow_abbrev=False,
        description="Set up, start, and play the whole loop with simulated listeners: songs, tracks, ratings, a "
        "training round, a canary, a decision. The stack stays up. Options that are not named here go on to "
        "`python -m training.study.demo`.",
    )
    demo.add_argument("--json", metavar="FILE", help="write the same facts for a program")


def _add_study(add: Commands) -> None:
    study = add(
        "study",
        help="measure in simulation what each method of learning gives above what the songs alone give",
        usage="./encore study [-h] [--json FILE] [STUDY OPTIONS]",
        allow_abbrev=False,
        description="Simulated listeners hear, rate and are learned from, cycle after cycle, without any part of the "
        "stack; prints what every method gives above the songs alone, with its interval and its placebo. --quick is a "
        "small one. Options that are not named here go on to `python -m training.study.trial`; "
        "docs/study.md describes them.",
    )
    study.add_argument("--json", metavar="FILE", help="write the same figures for a program")


def _add_test(add: Commands) -> None:
    add(
        "test",
        help="run the tests on a stack of their own",
        usage="./encore test [-h] [PYTEST OPTIONS]",
        allow_abbrev=False,
        description="Run the tests on a stack of their own (own ports, own data folder). Everything after `test` goes "
        "to pytest: ./encore test -k word",
    )


def _add_bench(add: Commands) -> None:
    bench = add(
        "bench",
        help="measure the engine on this machine",
        usage="./encore bench [-h] [--json FILE] engine [OPTIONS]",
        allow_abbrev=False,
        description="Measure the engine on this machine, beside diffusers, PEFT and Ray Serve, print the table in "
        "Markdown and say how many rows a step should take here. About ten minutes on two cores; best with nothing "
        "else running. Options that are not named here go on to `python -m tests.benchmarks.engine`.",
    )
    bench.add_argument("part", choices=("engine",), help="what is measured")
    bench.add_argument("--json", metavar="FILE", help="write the same figures for a program")


def _add_pictures(add: Commands) -> None:
    pictures = add(
        "pictures",
        help="take a picture of every state of the three rooms",
        description="Open the rooms to listen, operate and analyse in a browser, bring each into each of its states on "
        "a gateway of its own with a scripted engine, and write a PNG of each.",
    )
    pictures.add_argument("folder", metavar="FOLDER", help="where the pictures go; it is made if need be")


def _add_adapters(add: Commands) -> None:
    add(
        "adapters",
        help="look at and move the versions of single listeners",
        usage="./encore adapters list [LISTENER] | show LISTENER VERSION | diff LISTENER VERSION OTHER | "
        "{promote,pin} LISTENER VERSION --reason WORDS --by NAME | {rollback,unpin} LISTENER --reason WORDS --by NAME",
        allow_abbrev=False,
        description="The versions of single listeners: what they hold, what their tracks were rated, and which one is "
        "heard. A listener who is in a canary is left to it; a pinned one joins none. Everything after `adapters` goes "
        "to `python -m services.rollout.adapters`, in the environment of the stack that runs.",
    )


def _add_rollups(add: Commands) -> None:
    add(
        "rollups",
        help="compare what feedback adds up to with the feedback, or make it anew",
        usage="./encore rollups check | rebuild",
        allow_abbrev=False,
        description="What feedback adds up to by listener, release, arm and day is kept while events are folded. "
        "`check` compares every row with the facts, its exit status is 1 where one differs; `rebuild` makes all of "
        "them from the facts, to the same digits. In the environment of the stack that runs.",
    )


def _add_releases(add: Commands) -> None:
    add(
        "releases",
        help="look at releases, end a canary, take a promotion back",
        usage="./encore releases COMMAND [RELEASE | LISTENER | SWITCH] [--reason WHY --by NAME]",
        allow_abbrev=False,
        description="Releases: list, show RELEASE; promote, hold, rollback RELEASE end a canary; revert RELEASE takes "
        "a promotion back; pause, resume RELEASE; stop, start new canaries; opt-out, opt-in LISTENER; off (--listener, "
        "--cohort or --everyone) and on SWITCH are the kill switch; actions and switches tell who did what. What "
        "changes something wants --reason and --by. Everything after `releases` goes to "
        "`python -m services.rollout.releases`, in the environment of the stack that runs.",
    )


def _add_audit(add: Commands) -> None:
    add(
        "audit",
        help="say of every event whether it was counted",
        usage="./encore audit [--hour HOUR] [--json]",
        allow_abbrev=False,
        description="By hour and type what gateways acknowledged, what Kafka holds, and what was folded, repeated, "
        "set aside or lost; of the last 24 hours, or of one such as 2026-11-27T22 (UTC). The exit status is 1 where "
        "it does not add up. In the environment of the stack that runs.",
    )


def _add_letters(add: Commands) -> None:
    add(
        "letters",
        help="look at events that could not be read, and drive them again",
        usage="./encore letters list [--all] | show LETTER | redrive [LETTER] | drop LETTER --reason WHY",
        allow_abbrev=False,
        description="Events that were set aside as unreadable. LETTER is TOPIC/PARTITION/OFFSET, as in the list. "
        "`redrive` folds one, or all that wait, if they can be read now: once, however often it is asked. In the "
        "environment of the stack that runs; elsewhere: `python -m services.aggregator.letters`.",
    )


def _add_archive(add: Commands) -> None:
    add(
        "archive",
        help="take old months of raw events out of Postgres into files",
        usage="./encore archive [--before MONTH]",
        allow_abbrev=False,
        description="Months of raw events that ended before MONTH (such as 2026-01; default: 14 months ago, "
        "or ENCORE_EVENTS_KEPT_MONTHS) go to Parquet files in the blob store; files older than "
        "ENCORE_ARCHIVE_KEPT_MONTHS go for good. What they were folded into stays. In the environment of the stack "
        "that runs; elsewhere: `python -m services.aggregator.archive`.",
    )


def _add_replay(add: Commands) -> None:
    add(
        "replay",
        help="fold everything once more, and see that nothing changes",
        usage="./encore replay [--into DSN]",
        allow_abbrev=False,
        description="Folds the log from its beginning once more: what was missing is folded and said. With --into, the "
        "archived months and the log go into an empty database, and every table is compared; the exit status is 1 "
        "where one differs. In the environment of the stack that runs.",
    )


def _add_import(add: Commands) -> None:
    add(
        "import",
        help="bring a product's history of plays and ratings of its listeners' songs",
        usage="./encore import FILE --service NAME --about NAME [--rate EVENTS] [--check]",
        allow_abbrev=False,
        description="Past plays and ratings of songs that listeners brought, JSON lines or Parquet. They count "
        "for taste and are compared with nothing. The whole file is looked at first; where a row is wrong nothing is "
        "sent, and the exit status is 1. The same file again changes nothing. In the environment of the running stack.",
    )


def _add_trace(add: Commands) -> None:
    add(
        "trace",
        help="search every table, every file and MLflow for a listener's ids",
        usage="./encore trace LISTENER [ID ...]",
        allow_abbrev=False,
        description="Every table of PostgreSQL, every file of the blob store and whatever in MLflow names a listener, "
        "or what is known to be theirs; ID is a song or track whose row is gone. The exit status is 1 where there "
        "is a trace. In the environment of the stack that runs; elsewhere: `python -m services.aggregator.trace`.",
    )


def _add_uplift(add: Commands) -> None:
    add(
        "uplift",
        help="what releases did to ratings and listening, by any group of listeners",
        usage="./encore uplift [--by country,device] [--release ID|last] [--metric NAME] [--arm ARM] [--baseline ARM] "
        "[--per day|cumulative] [--format table|csv|json|parquet|arrow] [--report] [-o FILE]",
        allow_abbrev=False,
        description="What one arm does beside another, asked of the stack that runs: as a table, as a file with the "
        "same digits in every form, or as one HTML page of a release. docs/analyst.md says what the numbers mean. "
        "Everything after `uplift` goes to `python -m infra.analyst`; elsewhere use that with --url and --token.",
    )


def _add_access(add: Commands) -> None:
    add(
        "access",
        help="give tokens and logins, and rotate the keys that sign them",
        usage="./encore access list | rotate [--at-once] | token KIND NAME [--hours N] | login [--listener ID | "
        "--operator NAME | --analyst NAME]",
        allow_abbrev=False,
        description="Tokens for services and staff, addresses that let into the pages once, and the keys that sign "
        "both. Everything after `access` goes to `python -m services.principals`, with the running stack's keys.",
    )
