"""The process that decodes one upload. Nothing that a file does to it harms anybody: it holds no secret, opens no file
or address, and has limits on memory and processor time.

`serving.decoding.process` starts it: standard input is the file, the arguments are the number of an open pipe, the
sample rate that is wanted, and the longest length in seconds. The pipe carries messages: blocks of PCM [samples, 2] as
float32, the mean of all channels beside the first of them; an empty message; and the verdict in JSON, `{}` or what is
wrong with the file.
Only what was decoded counts: no length that a file states is believed.
"""

import contextlib
import json
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from itertools import accumulate, groupby
from multiprocessing.connection import Connection
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet

from serving.decoding.links import Link, chain_links

FORMATS = ("wav", "flac", "ogg", "mp3", "mov", "aac")
CODECS = ("pcm_*", "adpcm_*", "flac", "vorbis", "opus", "mp3", "aac", "alac")
KINDS = "wav, flac, ogg (Vorbis or Opus), mp3 or m4a/aac"
BEGINNINGS = re.compile(rb"RIFF|RF64|fLaC|OggS|ID3|....ftyp", re.DOTALL)
LOWEST_RATE, HIGHEST_RATE, MOST_CHANNELS = 8_000, 192_000, 8
MEMORY = 160 * 2**20  # bytes above what the process has when it starts
CPU_S = 20
# Ten minutes of the shortest packets that an encoder makes, 2.5 ms, are 240,000.
MOST_PACKETS = 300_000
MOST_LINKS = 300
# Samples that go into a graph before it is asked, and of a block that comes out: asking after each short frame takes
# longer than its work.
AT_ONCE = 1 << 14


class UnusableError(Exception):
    """The file cannot be taken: a code for programs, a sentence for people, and what is expected instead."""

    def __init__(self, code: str, message: str, expected: str) -> None:
        super().__init__(code, message, expected)
        self.problem = {"code": code, "message": message, "expected": expected}


def main(pipe: Connection, rate: int, most_seconds: float) -> None:
    """Decodes standard input into the pipe."""
    _restrict()
    problem: dict[str, str] = {}
    try:
        for block in blocks(sys.stdin.fileno(), rate, most_seconds):
            pipe.send_bytes(block)
    except UnusableError as error:
        problem = error.problem
    except MemoryError:
        problem = too_costly().problem
    pipe.send_bytes(b"")
    pipe.send_bytes(json.dumps(problem).encode())


def blocks(file: int, rate: int, most_seconds: float) -> Iterator[memoryview]:
    """PCM of a file as the module says, block by block.

    Args:
        file: descriptor of a regular file.
        rate: of the PCM, in Hz.
        most_seconds: more than that of sound is refused as soon as it is reached.

    Raises:
        UnusableError: at the block where that shows.
        MemoryError: it does not fit the limit.
    """
    links = chain_links(file)
    if len(links) > MOST_LINKS:
        raise too_costly()
    too_long = UnusableError("too_long", "The song is too long.", f"<= {most_seconds:g} s")
    # Both take a part of the time that the sound itself takes. What packets say is a hint that need not be true.
    if all(_exceed(lengths, most_seconds + 1) for lengths in (_stated(links), _lengths(links))):
        raise too_long
    samples = 0
    for piece in _mixed(_frames(links), rate):
        samples += len(piece) // 8
        if samples > most_seconds * rate:
            raise too_long
        yield piece


def too_costly() -> UnusableError:
    """What is said of a file that goes beyond the limits of this process."""
    message = "The file takes more work to decode than any song does."
    return UnusableError("too_costly", message, "an ordinary audio file")


def _exceed(lengths: Iterator[float], most: float) -> bool:
    return any(total > most for total in accumulate(lengths))


def _stated(links: Sequence[Link]) -> Iterator[float]:
    """How long each packet says it is, in seconds."""
    for stream, packets in groupby(_packets(links), key=lambda packet: packet.stream):
        unit = float(stream.time_base or 0)
        yield from ((packet.duration or 0) * unit for packet in packets)


def _lengths(links: Sequence[Link]) -> Iterator[float]:
    """How long each frame is, in seconds."""
    return (frame.samples / frame.sample_rate for frame in _frames(links))


def _restrict() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MEMORY
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: CPU_S, resource.RLIMIT_CORE: 0}
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


def _opened(link: Link) -> InputContainer:
    decoders = [name for name in av.codecs_available if _allowed(name.removesuffix("float"))]
    options = {
        "protocol_whitelist": "none",
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(decoders),
    }
    try:
        return av.open(link.reader(), "r", options=options)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        if BEGINNINGS.match(link.reader().read(16)):
            message = "The file breaks off before its sound begins, or is damaged."
            raise UnusableError("truncated", message, "a whole file") from error
        raise UnusableError("not_audio", "The file is no audio of a kind that is known here.", KINDS) from error


def _sound(container: InputContainer) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise UnusableError("not_audio", "There is no sound in the file.", KINDS)
    codec = stream.codec_context.codec.canonical_name
    if not _allowed(codec):
        raise UnusableError("unsupported_format", f"The file's sound is coded as {codec}, which is not taken.", KINDS)
    stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
    return stream


def _allowed(codec: str) -> bool:
    return any(fnmatch(codec, pattern) for pattern in CODECS)


def _frames(links: Sequence[Link]) -> Iterator[AudioFrame]:
    """All that can be decoded; a broken packet is passed over."""
    for packet in _packets(links):
        with _broken_ends():
            yield from packet.stream.decode(packet)


def _packets(links: Sequence[Link]) -> "Iterator[Packet[AudioStream]]":
    """The sound's packets. Where a container breaks off they end, and a link that is none leaves out itself."""
    left = MOST_PACKETS
    for number, link in enumerate(links):
        try:
            container = _opened(link)
            stream = _sound(container)
        except UnusableError:
            if number == 0:
                raise
            continue
        with container, _broken_ends():
            for packet in container.demux(stream):
                left -= 1
                if left < 0:
                    raise too_costly()
                yield packet


@contextlib.contextmanager
def _broken_ends() -> Iterator[None]:
    """What libav says of broken bytes ends the block; that memory is short does not pass as that."""
    try:
        yield
    except MemoryError:
        raise
    except av.FFmpegError:
        return


def _mixed(frames: Iterator[AudioFrame], rate: int) -> Iterator[memoryview]:
    """Frames of any rate and layout, which may change on the way as in chained files, at one [samples, 2]."""
    for _, alike in groupby(frames, key=lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)):
        graph: Graph | None = None
        waiting = 0
        for frame in alike:
            graph = graph or _mixer(frame, rate)
            # Sound follows sound: what the file says of times could only add gaps.
            frame.pts = None
            graph.push(frame)
            waiting += frame.samples
            if waiting >= AT_ONCE:
                waiting = 0
                yield from _out_of(graph)
        if graph is not None:
            graph.push(None)
            yield from _out_of(graph)


def _mixer(frame: AudioFrame, rate: int) -> Graph:
    channels = len(frame.layout.channels)
    if not LOWEST_RATE <= frame.sample_rate <= HIGHEST_RATE:
        expected = f"{LOWEST_RATE} to {HIGHEST_RATE} Hz"
        raise UnusableError("unsupported_rate", f"The sample rate is {frame.sample_rate} Hz.", expected)
    if channels > MOST_CHANNELS:
        raise UnusableError("too_many_channels", f"The file has {channels} channels.", f"<= {MOST_CHANNELS}")
    mean = "+".join(f"{1 / channels}*c{index}" for index in range(channels))
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=frame.time_base
    )
    nodes = [
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("pan", f"stereo|c0={mean}|c1=c0"),
        graph.add("aresample", str(rate)),
        graph.add("aformat", "sample_fmts=flt"),
        graph.add("asetnsamples", f"n={AT_ONCE}:p=0"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(source, *nodes).configure()
    return graph


def _out_of(graph: Graph) -> Iterator[memoryview]:
    """What comes out by what went in."""
    with contextlib.suppress(av.BlockingIOError, av.EOFError):
        while True:
            mixed = graph.pull()
            assert isinstance(mixed, AudioFrame)
            yield memoryview(mixed.planes[0])[: mixed.samples * 8]


if __name__ == "__main__":
    main(Connection(int(sys.argv[1]), readable=False), int(sys.argv[2]), float(sys.argv[3]))
