"""A randomly initialised ACE-Step checkpoint of the pipeline's own classes, small enough for a test.

Only sizes differ from the published one: the frame rate, the kinds of layers, grouped attention and
the template's tokens are as there. Nothing is trained.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ace_step import AceStepConditionEncoder, AceStepPipeline
from diffusers.pipelines.ace_step.pipeline_ace_step import DEFAULT_DIT_INSTRUCTION, SFT_GEN_PROMPT
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

CHANNELS, HIDDEN = 8, 32
ATTENTION: dict[str, Any] = {
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rope_theta": 10_000.0, "sliding_window": 4,
}  # fmt: skip


def pipeline(*, turbo: bool = False, seed: int = 0) -> AceStepPipeline:
    """The pipeline of a miniature."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = _tokenizer()
        text = Qwen3Config(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
            head_dim=8, vocab_size=len(tokenizer), max_position_embeddings=512,
        )  # fmt: skip
        encoder = AceStepConditionEncoder(
            hidden_size=HIDDEN, intermediate_size=64, text_hidden_dim=16, timbre_hidden_dim=CHANNELS,
            num_lyric_encoder_hidden_layers=2, num_timbre_encoder_hidden_layers=2, **ATTENTION,
        )  # fmt: skip
        # A published one holds encoded silence; zeros would hide a missing one.
        encoder.silence_latent.normal_()
        made = AceStepPipeline(
            vae=AutoencoderOobleck(
                encoder_hidden_size=2 * CHANNELS, decoder_channels=4, decoder_input_channels=CHANNELS,
                channel_multiples=[1, 1, 1, 1, 1], downsampling_ratios=[2, 4, 4, 6, 10], sampling_rate=48_000,
            ),
            text_encoder=Qwen3Model(text),
            tokenizer=tokenizer,
            transformer=AceStepTransformer1DModel(
                hidden_size=HIDDEN, intermediate_size=64, num_hidden_layers=2, in_channels=3 * CHANNELS,
                audio_acoustic_hidden_dim=CHANNELS, is_turbo=turbo, **ATTENTION,
            ),
            condition_encoder=encoder,
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        )  # fmt: skip
    for component in (made.vae, made.text_encoder, made.transformer, made.condition_encoder):
        component.eval()
    made.set_progress_bar_config(disable=True)
    return made


def save(folder: Path, *, turbo: bool = False, seed: int = 0) -> AceStepPipeline:
    """Writes a miniature as `save_pretrained` does, and gives the pipeline of it."""
    made = pipeline(turbo=turbo, seed=seed)
    made.save_pretrained(folder)
    return made


def _tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and what the template repeats, so that a prompt of some words stays within its tokens."""
    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[end], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    template = SFT_GEN_PROMPT.format(DEFAULT_DIT_INSTRUCTION, "slow piano", "- bpm: N/A\n- duration: seconds\n")
    tokens.train_from_iterator([template] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token=end, pad_token=end)
