"""Version 7 identifiers: valid, sorted by time, and the derived ones repeatable."""

from datetime import UTC, datetime, timedelta

from services.identifiers import derived_uuid7, uuid7

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def test_both_kinds_are_of_version_7() -> None:
    for made in (uuid7(), derived_uuid7(NOW, "a")):
        assert made.version == 7
        assert made.variant == "specified in RFC 4122"


def test_a_derived_identifier_depends_on_moment_and_seed_alone() -> None:
    assert derived_uuid7(NOW, "a") == derived_uuid7(NOW, "a")
    assert derived_uuid7(NOW, "a") != derived_uuid7(NOW, "b")
    assert derived_uuid7(NOW, "a") < derived_uuid7(NOW + timedelta(milliseconds=1), "a")
