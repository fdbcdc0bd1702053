"""What a song's upload may be called and say of itself, and how many are taken in at once."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.filenames import song_name
from services.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.engine import wav

ASTRONAUT = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"
PERSIAN = "می\N{ZERO WIDTH NON-JOINER}خواهم"
INDIC = "क्\N{ZERO WIDTH JOINER}ष"


def part(disposition: bytes, kind: bytes | None = b"audio/wav", content: bytes | None = None) -> bytes:
    """A body with one part; boundary `b`."""
    type_line = b"" if kind is None else b"Content-Type: " + kind + b"\r\n"
    head = b"--b\r\nContent-Disposition: " + disposition + b"\r\n" + type_line + b"\r\n"
    return head + (wav() if content is None else content) + b"\r\n--b--\r\n"


def sent(gateway: Gateway, listener_id: str, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return gateway.http.post(f"/v1/listeners/{listener_id}/songs", content=body, headers=headers)


@pytest.mark.parametrize(
    "kind", [None, b"", b"text/plain", b"video/ogg", b"application/octet-stream", b"audio/x-what; rate=1", b"\xff/;"]
)
def test_the_bytes_say_what_an_upload_is(gateway: Gateway, listener_id: str, kind: bytes | None) -> None:
    answer = sent(gateway, listener_id, part(b'form-data; name="file"; filename="a.wav"', kind))
    assert answer.status_code == 201, answer.text


NAMES = [
    (b'filename="a.wav"', "a.wav"),
    ('filename="naïve.wav"'.encode(), "naïve.wav"),
    (b'filename="caf\xe9.wav"', "café.wav"),
    (b'filename="say %22hi%22.wav"', 'say "hi".wav'),
    (b'filename="say \\"hi\\".wav"', 'say "hi".wav'),
    (b'filename="100%25.wav"', "100%25.wav"),
    (b"filename=\"x.wav\"; filename*=UTF-8''%e2%82%ac%20rates.wav", "€ rates.wav"),
    (b"filename*=UTF-8''only%20this.wav", "only this.wav"),
    (b"filename*=iso-8859-1'en'%A3.wav", "£.wav"),
    (b"filename*=undefined''a.wav", "a.wav"),
    (f'filename="{ASTRONAUT} {PERSIAN} {INDIC}.wav"'.encode(), f"{ASTRONAUT} {PERSIAN} {INDIC}.wav"),
    (b'filename="C:\\music\\a;b.wav"', "a;b.wav"),
    (b'filename="../../etc/passwd"', "passwd"),
    ('filename="a\N{RIGHT-TO-LEFT OVERRIDE}b\0.wav"'.encode(), "ab.wav"),
    ('filename="\N{ZERO WIDTH JOINER}"'.encode(), "unnamed"),
    (b'filename=""', "unnamed"),
]


@pytest.mark.parametrize(("written", "name"), NAMES)
def test_a_song_is_called_as_its_sender_calls_it(written: bytes, name: str) -> None:
    assert song_name(b'form-data; name="file"; ' + written) == name


def test_names_come_back_as_they_were_written(gateway: Gateway, listener_id: str) -> None:
    for number, written in enumerate((b"filename*=UTF-8''only%20this.wav", f'filename="{ASTRONAUT}.wav"'.encode())):
        body = part(b'form-data; name="file"; ' + written, content=wav(hertz=300.0 + number))
        assert sent(gateway, listener_id, body).status_code == 201
    songs = gateway.http.get(f"/v1/listeners/{listener_id}/songs").json()
    assert {song["filename"] for song in songs} == {"only this.wav", f"{ASTRONAUT}.wav"}


@given(
    st.one_of(
        st.binary(max_size=60), st.text("filename*=0';\" %22\\é\N{ZERO WIDTH JOINER}a", max_size=60).map(str.encode)
    )
)
def test_every_header_gives_a_name_that_can_be_shown_and_stored(rest: bytes) -> None:
    name = song_name(b'form-data; name="file"; ' + rest)
    assert 0 < len(name) <= 200
    assert all(each.isprintable() or each in "\u200c\u200d" for each in name)
    name.encode()


@pytest.fixture
def settings(settings: GatewaySettings) -> GatewaySettings:
    return settings.model_copy(update={"uploads_at_once": 4})


def begun(gateway: Gateway, listener_id: str) -> socket.socket:
    """An upload of which only the headers are sent."""
    place = urlsplit(gateway.url)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=60)
    lines = (
        f"POST /v1/listeners/{listener_id}/songs HTTP/1.1", "Host: x", "Content-Length: 1000000",
        f"Authorization: Bearer {gateway.token('service')}", "Content-Type: multipart/form-data; boundary=b",
    )  # fmt: skip
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_too_many_uploads_at_once_are_told_to_come_back_before_their_bodies_are_read(
    gateway: Gateway, listener_id: str
) -> None:
    """A service has half of the places, and another's listener finds one beside it."""
    gateway.engine.paused = True
    with ThreadPoolExecutor(3) as threads:
        taken = [threads.submit(gateway.upload, listener_id, wav(hertz=300.0 + number)) for number in range(2)]
        until(lambda: len(gateway.engine.songs) == 2)
        with begun(gateway, listener_id) as third:
            assert third.recv(9999).startswith(b"HTTP/1.1 503")
        answer = gateway.upload(listener_id)
        taken.append(threads.submit(anothers, gateway))
        until(lambda: len(gateway.engine.songs) == 3)
        gateway.engine.paused = False
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_uploads")
    assert int(answer.headers["retry-after"]) > 0
    assert [upload.result().status_code for upload in taken] == [201, 201, 201]
    assert gateway.upload(listener_id).status_code == 201


def anothers(gateway: Gateway) -> httpx.Response:
    """What an upload of another service is answered."""
    headers = {"Authorization": f"Bearer {gateway.token('service', 'another-product')}"}
    made = gateway.http.post("/v1/listeners", json={}, headers=headers).raise_for_status().json()
    songs = f"/v1/listeners/{made['listener_id']}/songs"
    return gateway.http.post(songs, files={"file": ("song.wav", wav(), "audio/wav")}, headers=headers)


def test_an_engine_that_takes_no_more_songs_is_busy_not_away(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.songs_busy = 1
    answer = gateway.upload(listener_id)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "too_many_uploads", "7")
    assert gateway.upload(listener_id).status_code == 201
