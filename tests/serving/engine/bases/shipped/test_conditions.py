"""Zeros mean "not given", row by row."""

import torch

from serving.engine.bases.shipped.conditions import Conditions, ConditionsConfig
from serving.engine.bases.shipped.text import PROMPT_SIZE, PROMPT_TOKENS
from serving.engine.hearing.style import STYLE_SIZE


def made() -> Conditions:
    torch.manual_seed(0)
    return Conditions(ConditionsConfig(hidden_size=32, style_tokens=3))


def test_fixed_number_of_tokens() -> None:
    conditions = made()
    tokens = conditions(torch.randn(2, PROMPT_TOKENS, PROMPT_SIZE), torch.randn(2, STYLE_SIZE))
    assert tokens.shape == (2, PROMPT_TOKENS + 3, 32)
    assert conditions.tokens == PROMPT_TOKENS + 3


def test_zeros_become_the_learned_nulls() -> None:
    conditions = made()
    prompt, style = torch.randn(2, PROMPT_TOKENS, PROMPT_SIZE), torch.randn(2, STYLE_SIZE)
    prompt[0], style[1] = 0, 0
    tokens = conditions(prompt, style)
    assert torch.equal(tokens[0, :PROMPT_TOKENS], conditions.null_prompt)
    assert torch.equal(tokens[1, PROMPT_TOKENS:], conditions.null_style)
    assert not torch.equal(tokens[1, :PROMPT_TOKENS], conditions.null_prompt)
    assert not torch.equal(tokens[0, PROMPT_TOKENS:], conditions.null_style)


def test_nulls_are_trained() -> None:
    conditions = made()
    absent = torch.zeros(1, PROMPT_TOKENS, PROMPT_SIZE), torch.zeros(1, STYLE_SIZE)
    conditions(*absent).sum().backward()
    assert conditions.null_prompt.grad is not None
    assert conditions.null_style.grad is not None
    assert conditions.prompt.weight.grad is None or not conditions.prompt.weight.grad.any()
