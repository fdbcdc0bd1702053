"""Synthetic audio files as strangers bring them, each with the length that ffmpeg decodes, in seconds."""

from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent
RIGHT = MappingProxyType(
    {
        "mp3_half_downloaded_60s.mp3": 29.7,
        "mp3_first_5_percent.mp3": 2.7,
        "vbr_silence_first.mp3": 14.55,
        "lame.mp3": 3.06,
        "ffpipe.flac": 3.0,
        "soxpipe.wav": 3.0,
        "riff_total.wav": 3.0,
        "zero_sizes.wav": 3.0,
        "noeos.ogg": 3.01,
        "mp3_zeros.mp3": 3.08,
        "mp3_first_frame_mid.mp3": 3.03,
        "stereo_out_of_phase.wav": 2.0,
        "dc.wav": 3.0,
    }
)
REFUSED = MappingProxyType({"wav_GSM610.wav": "unsupported_format"})


def case(name: str) -> bytes:
    """The bytes of one of them."""
    return (FOLDER / name).read_bytes()
