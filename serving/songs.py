"""An uploaded song becomes audio of the common rate and loudness, and features that make tracks personal."""

import hashlib

import torch

from schemas.generation import MAX_SONG_BYTES, SongFacts, SongRequest
from serving.audio import flac, read_song
from serving.engine.feel import tempo_and_key
from serving.engine.params import Job
from serving.engine.schedule import inversion
from serving.features import EXCERPT_S, STYLE_S, at_reference, dump_features, representative
from serving.studio import Studio, absent

INVERSION_STEPS = 16


async def take_song(studio: Studio, request: SongRequest) -> SongFacts:
    """Stores a song's audio and features; both are in the store when this returns.

    Raises:
        Refused: the upload is no usable audio, or something needed is away or full.
    """
    data = await studio.read(studio.blobs.read, request.source, field="file", most=MAX_SONG_BYTES)
    song = await studio.decode(read_song, data)
    del data
    waveform = torch.from_numpy(song.waveform)
    style, latents, feel = await studio.decode(_describe, studio, waveform)
    noise = await studio.outcome(studio.submit(_inversion(studio, request, latents, style)))
    audio = await studio.decode(flac, song.waveform)
    audio_url, features_url = f"{request.destination}/audio.flac", f"{request.destination}/features.safetensors"
    features = dump_features(style=style, latents=latents, noise=noise, feel=feel)
    await studio.read(studio.blobs.write, features_url, features)
    await studio.read(studio.blobs.write, audio_url, audio)
    return SongFacts(
        seconds=song.seconds,
        sha256=hashlib.sha256(audio).hexdigest(),
        loudness_lufs=song.loudness_lufs,
        audio_url=audio_url,
        features_url=features_url,
    )


def _describe(studio: Studio, waveform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Style [size] and feel [3] of half a minute, latents [frames, channels] of the excerpt within it."""
    codec = studio.base.codec
    stretch = representative(codec, waveform, STYLE_S)
    excerpt = representative(codec, stretch, EXCERPT_S)
    latents = codec.encode(at_reference(excerpt)[None])[0].cpu()
    bpm, key = tempo_and_key(stretch, codec.sample_rate)
    return studio.style(stretch), latents, torch.tensor([bpm, key.tonic, key.minor])


def _inversion(studio: Studio, request: SongRequest, latents: torch.Tensor, style: torch.Tensor) -> Job:
    """The ODE from the song back to the noise it would come from, under the song's own style."""
    return Job(
        listener=str(request.song_id),
        start=latents,
        path=inversion(INVERSION_STEPS, studio.base.manifest.sampling.shift),
        prompt=absent(*studio.base.conditions.prompt_shape),
        style=style,
    )
