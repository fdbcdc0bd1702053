"""Settings come from the environment, and a wrong one is one sentence."""

import pytest
from pydantic import SecretStr, ValidationError

from services.settings import EngineToken, Port, Settings, read


class Example(Settings):
    token: SecretStr | None = None
    depth: Port = 3
    engine_token: EngineToken = SecretStr("")


@pytest.fixture(autouse=True)
def dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_POSTGRES_DSN", "postgresql://host/base")


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        read(Example)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_field_is_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_DEPTH", "7")
    monkeypatch.setenv("ENCORE_LOG_LEVEL", "debug")
    settings = read(Example)
    assert (settings.depth, settings.log_level, settings.postgres_dsn) == (7, "debug", "postgresql://host/base")


def test_settings_do_not_change() -> None:
    settings = read(Example)
    with pytest.raises(ValidationError, match="frozen"):
        settings.depth = 4  # type: ignore[misc]


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("ENCORE_POSTGRES_DSN")
    assert refusal(capsys) == "ENCORE_POSTGRES_DSN is not set, and has no default.\n"


@pytest.mark.parametrize(("name", "value"), [("DEPTH", "deep"), ("DEPTH", "70000"), ("LOG_LEVEL", "chatty")])
def test_a_wrong_value_is_named_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"ENCORE_{name}", value)
    said = refusal(capsys)
    assert said.startswith(f"ENCORE_{name} is '{value}': Input should be ")
    assert said.count("\n") == 1


def test_an_address_is_not_said_for_it_may_hold_a_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENCORE_DEPTH", "redis://me:hush")
    said = refusal(capsys)
    assert said.startswith("ENCORE_DEPTH: Input should be ")
    assert "hush" not in said


def test_a_password_is_never_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ENCORE_TOKEN", "hush")
    assert "hush" not in repr(read(Example))
    assert "hush" not in capsys.readouterr().err
    monkeypatch.setenv("ENCORE_ENGINE_TOKEN", "hush")
    said = refusal(capsys)
    assert said.startswith("ENCORE_ENGINE_TOKEN: ")
    assert "hush" not in said
