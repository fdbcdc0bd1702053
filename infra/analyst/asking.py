"""Questions to the gateway."""

import json
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from schemas.analysis import ComparedCells
from schemas.api import ReleaseView
from services.gateway.analyst.question import Question

ANSWER_S: Final = 30.0


class Refused(Exception):
    """The gateway does not answer, or not this; the text says why."""


class Gateway:
    """The API, with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def cells(self, question: Question) -> ComparedCells:
        """The answer to one question.

        Raises:
            Refused: the question is wrong, or the gateway is away.
        """
        return ComparedCells.model_validate(self._get("/v1/uplift/cells", question.parameters()))

    def release(self, release: str) -> ReleaseView:
        """A release with its decisions; `last` is the one that began last.

        Raises:
            Refused: there is none, or the gateway is away.
        """
        if release != "last":
            return ReleaseView.model_validate(self._get(f"/v1/releases/{release}", {}))
        found = self._get("/v1/releases", {"limit": "1"})
        if not found:
            raise Refused("There is no release yet.")
        return ReleaseView.model_validate(found[0])

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        query = f"?{urlencode(parameters)}" if parameters else ""
        request = Request(f"{self._url}{path}{query}", headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        try:
            with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - the address that the user gave
                return json.load(answer)
        except HTTPError as error:
            raise Refused(_said(error)) from error
        except (URLError, TimeoutError, ValueError) as error:
            raise Refused(f"{self._url} does not answer: {error}") from error


def _said(error: HTTPError) -> str:
    try:
        problem = json.load(error)
        expected = f" {problem['field']}: {problem['expected']}" if problem.get("expected") else ""
        return f"{problem['message']}{expected}"
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {error.code}"
