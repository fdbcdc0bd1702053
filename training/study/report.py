"""The demo's figures: for the terminal as tables, for programs as one JSON object.

Learning is the difference to the cold start; the difference to the base stands beside it, and has the songs in it.
"""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from schemas.api import ArmSummary, ReleaseView, Uplift, UpliftReport

OVERALL: Final = "all"
ARMS: Final = ("base", "cold", "champion", "candidate")
LEARNED: Final = (("candidate", "cold"), ("champion", "cold"))
BESIDE: Final = ("candidate", "base")


def cycle_facts(report: UpliftReport) -> dict[str, Any]:
    """One cycle for `--json`: arms, what was learned (over the cold start), and the uplift of the candidate over base
    and champion, overall and per cohort."""
    return {
        **_facts(report, OVERALL),
        "over_champion": _compared(report, OVERALL, ("candidate", "champion")),
        "cohorts": [
            {"cohort": cohort, **_facts(report, cohort)} for cohort in _cohorts(report.uplift) if cohort != OVERALL
        ],
    }


def _facts(report: UpliftReport, cohort: str) -> dict[str, Any]:
    return {
        "arms": {arm.arm: _arm(arm) for arm in report.arms if arm.cohort == cohort},
        "learned": {arm: _compared(report, cohort, (arm, baseline)) for arm, baseline in LEARNED},
        "uplift": _compared(report, cohort, BESIDE),
    }


def _cohorts(rows: Iterable[Uplift]) -> list[str]:
    """Those for which the candidate is compared with the base, in the report's order."""
    return [row.cohort for row in rows if (row.arm, row.baseline) == BESIDE]


def _row(report: UpliftReport, cohort: str, pair: tuple[str, str]) -> Uplift | None:
    return next((row for row in report.uplift if (row.cohort, row.arm, row.baseline) == (cohort, *pair)), None)


def _compared(report: UpliftReport, cohort: str, pair: tuple[str, str]) -> dict[str, Any] | None:
    row = _row(report, cohort, pair)
    return None if row is None else row.model_dump(include={"estimate", "low", "high", "listeners", "ratings"})


def _arm(arm: ArmSummary) -> dict[str, Any]:
    return {"mean": arm.mean, "ratings": arm.ratings, "listeners": arm.listeners}


def print_cycle(console: Console, number: int, report: UpliftReport, release: ReleaseView) -> None:
    """Mean rating per arm and each difference with its interval, overall and per cohort, then the decision."""
    table = Table(
        title=f"Cycle {number}: release {str(release.release_id)[:8]}, {release.status}", title_justify="left"
    )
    table.add_column("cohort")
    for heading in (*ARMS, *(f"{arm} - {baseline}" for arm, baseline in (*LEARNED, BESIDE))):
        table.add_column(heading, justify="right")
    for cohort in _cohorts(report.uplift):
        means = {arm.arm: arm for arm in report.arms if arm.cohort == cohort}
        table.add_row(
            cohort,
            *(_mean(means.get(arm)) for arm in ARMS),
            *(_difference(_row(report, cohort, pair)) for pair in (*LEARNED, BESIDE)),
        )
    console.print(table)
    for decision in release.decisions:
        console.print(f"  look {decision.look}: {decision.verdict}: {decision.reason}", highlight=False)


def _mean(arm: ArmSummary | None) -> str:
    return "-" if arm is None or arm.mean is None else f"{arm.mean:.2f} ({arm.ratings})"


def _difference(row: Uplift | None) -> str:
    """The estimate, and under it the 95 % interval and how many listeners it is over."""
    if row is None or row.estimate is None:
        return "-"
    return f"{row.estimate:+.2f}\n{row.low:+.2f} .. {row.high:+.2f} ({row.listeners})"
