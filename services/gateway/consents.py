"""What listeners agreed to. A row of each answer (migration 0056); what holds now follows from the last one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from schemas.api import ConsentGiven, PrincipalKind
from services.gateway.executes import Execute
from services.gateway.settings import GatewaySettings
from services.postgres import load_queries

QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))
DEFAULT: Final = "default"
"""The version of a text that nobody was shown: the platform's default held."""


@dataclass(frozen=True, slots=True)
class Consent:
    """An answer and by which kind of principal it came."""

    said_by: PrincipalKind
    given: ConsentGiven


def by_default(settings: GatewaySettings) -> Consent:
    """What holds of a new listener of whom nothing was said."""
    purposes = settings.consent_default.split(";")
    given = ConsentGiven(training="training" in purposes, analysis="analysis" in purposes, text_version=DEFAULT)
    return Consent("process", given)


async def noted(execute: Execute, listener_id: UUID, consent: Consent) -> None:
    """Adds the answers in the transaction of `execute`; what was not asked stays."""
    given = consent.given
    for purpose, answer in (("training", given.training), ("analysis", given.analysis)):
        if answer is not None:
            row = {"listener_id": listener_id, "purpose": purpose, "given": answer}
            await execute(QUERIES["note"], {**row, "text_version": given.text_version, "said_by": consent.said_by})
