"""The blob store as training uses it: reads by URL, writes once under a key."""

import uuid

import fsspec


class Blobs:
    """A folder or bucket named by an fsspec URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def read(self, url: str) -> bytes:
        """The whole blob; OSError (FileNotFoundError) if it is not there."""
        filesystem, path = fsspec.core.url_to_fs(url)
        data: bytes = filesystem.cat_file(path)
        return data

    def url(self, key: str) -> str:
        return f"{self._url}/{key}"

    def write_once(self, key: str, data: bytes) -> str:
        """Stores bytes under a key that names them; what is there already is left as it is.

        Returns:
            The blob's URL.
        """
        filesystem, path = fsspec.core.url_to_fs(self.url(key))
        if not filesystem.exists(path):
            partial = f"{path}.{uuid.uuid4().hex}.part"
            filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            filesystem.pipe_file(partial, data)
            filesystem.mv(partial, path)
        return self.url(key)
