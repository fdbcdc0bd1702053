"""What the rollout process is told by its environment, and the plan that new canaries get from it."""

from typing import Annotated

from pydantic import Field, FilePath, SecretStr

from services.rollout.care import Care
from services.rollout.plan import Plan, Prior
from services.settings import EngineToken, Port, Settings


class RegistrySettings(Settings):
    """Where the model registry is, for whoever moves aliases."""

    mlflow_url: str = "http://127.0.0.1:5000"
    mlflow_username: str = ""
    mlflow_password: SecretStr = SecretStr("")

    @property
    def mlflow_login(self) -> tuple[str, str] | None:
        """User and password, where MLflow asks for them."""
        return (self.mlflow_username, self.mlflow_password.get_secret_value()) if self.mlflow_username else None


class RolloutSettings(RegistrySettings):
    """Read once in `main`. The fields from `rollout_base_share` on make the plan of canaries that start from now on."""

    metrics_port: Port = 9102
    engine_url: str = "http://127.0.0.1:8000"
    engine_token: EngineToken = SecretStr("")
    engine_authority: FilePath | None = None

    holdout_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Part of the listeners who hear nothing that was learned, for ever; the gateway needs the same."""
    rollout_poll_s: Annotated[float, Field(gt=0)] = 2.0
    """Seconds between two readings of the feedback."""
    rollout_lease_s: Annotated[float, Field(gt=0)] = 30.0
    """How long, in seconds, a rollout process that says nothing keeps another from taking over."""
    rollout_base_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of tracks on the base arm."""
    rollout_cold_share: Annotated[float, Field(ge=0.1, lt=1)] = 0.15
    """Share of tracks on the cold arm; champion and candidate share equally what base and cold leave."""
    rollout_looks: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Fractions of the planned comparisons at which promotion is considered, the first at 0.1 or later."""
    rollout_twins: Annotated[float, Field(ge=0, le=1)] = 0.85
    """Share of a canary's wishes for champion or candidate that are made with both: by default half of all wishes."""
    rollout_worth_stars: Annotated[float, Field(gt=0)] = 0.33
    """Effect worth finding, in stars: a canary is planned to find it in four of five cases."""
    rollout_pairs: Annotated[int, Field(ge=1, le=100)] = 20
    """Most comparisons of candidate with champion, per listener, that the last look may wait for."""
    rollout_by_loss: bool = False
    """Whether a canary whose plan cannot find what is worth finding is decided by expected loss, in place of error."""
    rollout_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """One-sided chance, over all looks, to promote a candidate that is no better."""
    rollout_guardrail_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance, over a whole canary and all guardrails, to roll back a candidate that is no worse."""
    rollout_sample_ratio_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    """Below this chance of how tracks fall on candidate and champion nothing is promoted."""
    rollout_skip_margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of tracks by which a candidate must be known not to be skipped early more often, to be
    promoted; where expected loss decides, it is not asked."""
    rollout_minimum_listeners: Annotated[int, Field(ge=3)] = 3
    """Listeners who compared both arms without whom nothing is promoted."""
    rollout_max_age_s: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    """Age of a canary, in seconds, at which the last look is taken with what is there."""
    rollout_silent_after_s: Annotated[float, Field(gt=0)] = 2 * 86_400.0
    """Age of a canary, in seconds, from which members who have not listened since its start are not waited for."""

    rollout_held_back: Annotated[float, Field(gt=0, le=0.5)] = 1 / 6
    """Part of the tracks of a newly promoted champion that the version before plays; about a tenth of all tracks."""
    rollout_watch_s: Annotated[float, Field(gt=0)] = 14 * 86_400.0
    """How long, in seconds, a promotion is watched before it is confirmed."""

    rollout_ramp: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.05, 0.5, 1.0)
    """Fractions of a release's members who are in its canary at each step."""
    rollout_ramp_least: Annotated[int, Field(ge=1)] = 20
    """Listeners below whom a step is left out: the guardrails would see nothing."""
    rollout_ramp_s: Annotated[float, Field(gt=0)] = 43_200.0
    """How long, in seconds, a step waits for the ratings of those who have joined."""

    def care(self) -> Care:
        """How a release that starts now is brought in and watched."""
        return Care(
            held_back=self.rollout_held_back,
            watch_s=self.rollout_watch_s,
            ramp=self.rollout_ramp,
            ramp_least=self.rollout_ramp_least,
            ramp_s=self.rollout_ramp_s,
            holdout_share=self.holdout_share,
        )

    def plan(self) -> Plan:
        """The plan of a canary that starts now, before it is sized for its members.

        Raises:
            ValueError: these settings make no plan that can be decided by.
        """
        base, cold = self.rollout_base_share, self.rollout_cold_share
        share = (1 - base - cold) / 2
        return Plan(
            shares={"base": base, "cold": cold, "champion": share, "candidate": share},
            looks=self.rollout_looks,
            pairs=self.rollout_pairs,
            twins=self.rollout_twins,
            worth=self.rollout_worth_stars,
            prior=Prior() if self.rollout_by_loss else None,
            alpha=self.rollout_alpha,
            guardrail_alpha=self.rollout_guardrail_alpha,
            sample_ratio_alpha=self.rollout_sample_ratio_alpha,
            skip_margin=self.rollout_skip_margin,
            minimum_listeners=self.rollout_minimum_listeners,
            max_age_s=self.rollout_max_age_s,
            silent_after_s=self.rollout_silent_after_s,
        )
