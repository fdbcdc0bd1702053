"""An uploaded song becomes audio of the common rate and loudness, and features that make tracks personal."""

import hashlib

import torch
from torch import Tensor

from schemas.blobs import features_name
from schemas.generation import MAX_SONG_BYTES, SongFacts, SongRequest
from serving.audio import flac, read_song
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.melody import notes_of
from serving.engine.hearing.sound import sound_of
from serving.features import EXCERPT_S, STYLE_S, at_reference, dump_features, representative
from serving.originals import beside, dump_notes
from serving.studio import Studio


async def take_song(studio: Studio, request: SongRequest) -> SongFacts:
    """Stores a song's audio, features and notes; all are in the store when this returns, and its noise follows.

    Raises:
        Refused: the upload is no usable audio, or something needed is away or full.
    """
    async with studio.song():
        data = await studio.read(studio.blobs.read, request.source, field="file", most=MAX_SONG_BYTES)
        song = await studio.hear(read_song, data)
        del data
    waveform = torch.from_numpy(song.waveform)
    features = await studio.decode(_describe, studio, waveform)
    audio, described = await studio.decode(flac, song.waveform), dump_features(**features)
    audio_url, features_url = f"{request.destination}/audio.flac", f"{request.destination}/{features_name(described)}"
    notes = await studio.decode(notes_of, waveform, studio.base.codec.sample_rate)
    await studio.read(studio.blobs.write, beside(features_url), dump_notes(notes))
    await studio.read(studio.blobs.write, features_url, described)
    audio = await studio.read(studio.blobs.write, audio_url, audio)
    studio.noises.follow(features_url, features)
    return SongFacts(
        seconds=song.seconds,
        sha256=hashlib.sha256(audio).hexdigest(),
        loudness_lufs=song.loudness_lufs,
        audio_url=audio_url,
        features_url=features_url,
        style=tuple(features["style"].tolist()),
        base_hash=studio.base.manifest.base_hash,
    )


def _describe(studio: Studio, waveform: Tensor) -> dict[str, Tensor]:
    """`style` [size], `sound` [SOUND_SIZE] and `feel` [3] of half a minute, and of the excerpt within it `latents`
    [frames, channels] and the `plan` it fits [frames, plan channels]."""
    codec, conditions = studio.base.codec, studio.base.conditions
    stretch = representative(codec, waveform, STYLE_S)
    excerpt = representative(codec, stretch, EXCERPT_S)
    latents = codec.encode(at_reference(excerpt)[None])[0].cpu()
    feel = feel_heard(stretch, codec.sample_rate)
    return {
        "style": studio.style(stretch),
        "sound": sound_of(stretch, codec.sample_rate),
        "feel": torch.tensor([feel.bpm, feel.key.tonic, feel.key.minor]),
        "latents": latents,
        "plan": conditions.plan_heard(excerpt, codec.sample_rate, feel, len(latents)),
    }
