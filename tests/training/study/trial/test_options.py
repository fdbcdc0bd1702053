"""What the study's command line takes."""

import pytest

from training.study.trial.options import parse


def test_quick_is_small_and_what_is_said_beside_it_holds() -> None:
    options, _ = parse(["--quick", "--listeners", "6"])
    assert (options.listeners, options.cycles, options.seeds) == (6, 1, 1)
    assert options.signals == ("stars", "permuted", "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "signed,magic"], "--methods: expected some of .* got 'magic'"),
        (["--signals", "tea"], "--signals: expected some of .* got 'tea'"),
        (["--listeners", "1"], "--listeners: expected at least 2, got 1"),
        (["--seconds", "nan"], "--seconds: expected at least 2, got nan"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    import re

    assert re.search(message, capsys.readouterr().err)


def test_a_part_is_found_again_whatever_is_compared_with_it_and_not_with_another_taste() -> None:
    def name(*arguments: str) -> str:
        return parse(list(arguments))[0].name("base")

    assert name("--methods", "signed") == name("--methods", "steering", "--cycles", "3", "--device", "cuda")
    assert name() != name("--shift", "0.3")
    assert name() != name("--others", "4")
    assert parse([])[0].name("base") != parse([])[0].name("other")


def test_what_another_ear_heard_is_no_part_of_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    options, _ = parse([])
    before = options.name("base")
    monkeypatch.setattr("training.study.trial.options.EAR", 1)
    assert options.name("base") != before
