"""A code that was given is known by its keys, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.login_codes import drawn, is_ours
from services.principals.keys import BETWEEN_S, Keys, made, rotated

NOW = 1_800_000_000.0


def test_a_code_is_ours_under_its_keys_until_they_are_gone() -> None:
    keys = Keys((made(NOW),))
    code, later = drawn(keys, NOW), NOW + BETWEEN_S
    assert len(code) == 32
    assert drawn(keys, NOW) != code
    assert is_ours(code, keys)
    assert is_ours(code, rotated(keys, later))
    assert not is_ours(code, rotated(keys, later, at_once=True))


@given(st.integers(min_value=0, max_value=31), st.sampled_from("ABCXYZabcxyz0189-_+/=\n"))
def test_a_code_with_another_character_is_not(at: int, other: str) -> None:
    keys = Keys((made(NOW),))
    code = drawn(keys, NOW)
    changed = code[:at] + other + code[at + 1 :]
    assert is_ours(changed, keys) == (changed == code)


@given(st.text(max_size=64))
def test_what_was_never_given_is_not(said: str) -> None:
    assert not is_ours(said, Keys((made(NOW),)))
