"""Who comes to MLflow. Its `basic-auth` app looks for a name and a password in whatever the header holds, and fails
with 500 over a token; MLflow's setting `authorization_function` names ours in its place."""

from flask import Response, request
from mlflow.server.auth import authenticate_request_basic_auth, make_basic_auth_response
from werkzeug.datastructures import Authorization


def name_and_password() -> Authorization | Response:
    """Whom MLflow knows by the name and the password of the request at hand, else its answer 401."""
    login = request.authorization
    if login is None or login.type != "basic" or "\0" in (login.username or ""):  # PostgreSQL takes no such text
        refused: Response = make_basic_auth_response()
        return refused
    found: Authorization | Response = authenticate_request_basic_auth()
    return found
