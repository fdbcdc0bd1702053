"""Prompts become fixed-length states that depend on nothing but the text."""

import pytest
import torch

from serving.engine.bases.shipped import text
from serving.engine.bases.shipped.text import PROMPT_SIZE, PROMPT_TOKENS, TextEncoder
from serving.engine.errors import PackageError, PromptError


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder()


def test_padded_with_zeros(encoder: TextEncoder) -> None:
    states = encoder.encode(["slow piano"])
    assert states.shape == (1, PROMPT_TOKENS, PROMPT_SIZE)
    # Two words and the two tokens that enclose them.
    assert (states[0, :4].abs().sum(1) > 0).all()
    assert (states[0, 4:] == 0).all()


def test_many_at_once_equal_one_by_one(encoder: TextEncoder) -> None:
    prompts = ["slow piano", "", "lively fiddle reel, 120 bpm", "fast drums", "slow " * 40]
    torch.testing.assert_close(encoder.encode_many(prompts), encoder.encode(prompts), atol=1e-5, rtol=0)


def test_long_prompts_are_cut(encoder: TextEncoder) -> None:
    states = encoder.encode(["very " * 100 + "slow"])
    assert (states[0].abs().sum(1) > 0).all()


@pytest.mark.parametrize("prompt", ["", "slow piano, café", "80s synth 120 bpm", "slow " * (PROMPT_TOKENS - 2)])
def test_what_is_read_as_a_whole_passes(encoder: TextEncoder, prompt: str) -> None:
    encoder.check(prompt)


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("slow " * (PROMPT_TOKENS - 1), "prompt_too_long", "23 words and word pieces, expected <= 22"),
        ("медленное пианино", "unknown_language", "expected English"),
        ("穏やかなピアノ piano", "unknown_language", "expected English"),
    ],
)
def test_what_is_not_read_as_a_whole_is_refused(encoder: TextEncoder, prompt: str, code: str, message: str) -> None:
    with pytest.raises(PromptError, match=message) as caught:
        encoder.check(prompt)
    assert caught.value.code == code


def test_blank_prompt_is_zeros(encoder: TextEncoder) -> None:
    assert (encoder.encode(["", "  "]) == 0).all()
    assert encoder.encode([]).shape == (0, PROMPT_TOKENS, PROMPT_SIZE)


def test_same_text_same_states_whoever_is_beside_it(encoder: TextEncoder) -> None:
    alone = TextEncoder().encode(["a fast reel"])
    beside = encoder.encode(["calm choir in a large church with organ", "a  fast reel"])
    assert torch.equal(alone[0], beside[1])


def test_cache_forgets_the_oldest(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "CACHE_SIZE", 2)
    prompts = ["one", "two", "three"]
    assert encoder.encode(prompts).shape[0] == 3
    assert list(encoder._cache) == ["two", "three"]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "PACKAGE", "no_such_package_here")
    with pytest.raises(PackageError, match="no_such_package_here"):
        TextEncoder().encode(["anything"])


PROMPTS = ("slow piano, café", "80s synth-pop at 120 bpm!", "naïve ÜBER-waltz — 5/4 🎻", "very " * 100 + "slow", "x")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_states_are_those_of_the_library_that_the_weights_were_published_for(encoder: TextEncoder, prompt: str) -> None:
    transformers = pytest.importorskip("transformers")
    folder = text.weights_folder()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.BertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    inputs = tokenizer(prompt, truncation=True, max_length=PROMPT_TOKENS, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).last_hidden_state[0]
    states = encoder.encode([prompt])[0]
    torch.testing.assert_close(states[: len(expected)], expected, atol=1e-5, rtol=1e-5)
    assert (states[len(expected) :] == 0).all()
