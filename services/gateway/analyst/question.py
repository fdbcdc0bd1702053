"""One question of uplift, and the same in SQL."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Question:
    """As `GET /v1/uplift/cells` takes it; `release` empty is the time outside any canary."""

    by: str = ""
    metric: str = "stars"
    arm: str = "candidate"
    baseline: str = "cold"
    release: str = ""
    per: str = "whole"
    until: str = ""

    def with_(self, **changes: str) -> "Question":
        """The same but for these."""
        return replace(self, **changes)

    def parameters(self) -> dict[str, str]:
        """What is not left out."""
        named = {"release_id": self.release, "until": self.until, "by": self.by}
        fixed = {"metric": self.metric, "arm": self.arm, "baseline": self.baseline, "per": self.per}
        return fixed | {name: value for name, value in named.items() if value}

    def sql(self) -> str:
        """The statement that gives the sums of the same cells."""
        given = [f"'{{{self.by}}}'", *(f"'{value}'" for value in (self.metric, self.arm, self.baseline))]
        given += [f"'{self.release}'" if self.release else "null", f"'{self.per}'"]
        given += [f"'{self.until}'"] if self.until else []
        return f"select * from analytics.uplift_by({', '.join(given)});"  # noqa: S608 - shown, not run
