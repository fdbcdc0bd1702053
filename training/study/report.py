"""The demo's figures: for the terminal as tables, for programs as one JSON object."""

from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.api import ArmSummary, ReleaseView, Uplift, UpliftReport

OVERALL = "all"


def cycle_facts(report: UpliftReport) -> dict[str, Any]:
    """One cycle for `--json`: arms and uplift of the candidate over the base, overall and per cohort."""
    over_base = [row for row in report.uplift if (row.arm, row.baseline) == ("candidate", "base")]
    return {
        "arms": {arm.arm: _arm(arm) for arm in report.arms if arm.cohort == OVERALL},
        "uplift": next((_uplift(row) for row in over_base if row.cohort == OVERALL), None),
        "over_champion": next(
            (
                _uplift(row)
                for row in report.uplift
                if (row.arm, row.baseline, row.cohort) == ("candidate", "champion", OVERALL)
            ),
            None,
        ),
        "cohorts": [
            {
                "cohort": row.cohort,
                "arms": {arm.arm: _arm(arm) for arm in report.arms if arm.cohort == row.cohort},
                "uplift": _uplift(row),
            }
            for row in over_base
            if row.cohort != OVERALL
        ],
    }


def _arm(arm: ArmSummary) -> dict[str, Any]:
    return {"mean": arm.mean, "ratings": arm.ratings, "listeners": arm.listeners}


def _uplift(row: Uplift) -> dict[str, Any]:
    return row.model_dump(include={"estimate", "low", "high", "listeners", "ratings"})


def print_cycle(console: Console, number: int, report: UpliftReport, release: ReleaseView) -> None:
    """Mean rating per arm and uplift with its interval, overall and per cohort, then the decision."""
    table = Table(
        title=f"Cycle {number}: release {str(release.release_id)[:8]}, {release.status}", title_justify="left"
    )
    for heading in (
        "cohort",
        "base",
        "champion",
        "candidate",
        "candidate - base",
        "95 % interval",
        "listeners",
        "ratings",
    ):
        table.add_column(heading, justify="left" if heading == "cohort" else "right")
    for row in report.uplift:
        if (row.arm, row.baseline) == ("candidate", "base"):
            means = {arm.arm: arm for arm in report.arms if arm.cohort == row.cohort}
            table.add_row(
                row.cohort,
                *(_mean(means.get(arm)) for arm in ("base", "champion", "candidate")),
                _signed(row.estimate),
                f"{_signed(row.low)} .. {_signed(row.high)}",
                str(row.listeners),
                str(row.ratings),
            )
    console.print(table)
    for decision in release.decisions:
        console.print(f"  look {decision.look}: {decision.verdict}: {decision.reason}", highlight=False)


def _mean(arm: ArmSummary | None) -> str:
    return "-" if arm is None or arm.mean is None else f"{arm.mean:.2f} ({arm.ratings})"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
