"""The blob store as training uses it: `schemas.blobs`, with keys where it writes."""

from schemas.blobs import Store


class Blobs:
    """Reads and writes below one URL. What is read may come from an event, so that anything outside is refused."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)

    def read(self, url: str) -> bytes:
        """The whole blob.

        Raises:
            OSError: the store is away; FileNotFoundError: there is nothing.
            ValueError: the URL is not below the store's, or names another checksum than its bytes have.
        """
        return self._store.read(url)

    def url(self, key: str) -> str:
        return self._store.url(key)

    def names(self, folder: str) -> list[str]:
        """The names of the files right below a folder. Raises OSError when the store is away, as `remove` does."""
        return self._store.names(folder)

    def remove(self, key: str) -> None:
        """Removes a file or a whole folder; nothing there is no error."""
        self._store.remove(key)

    def write_once(self, key: str, data: bytes) -> str:
        """Stores bytes under a key that names them; what is there already is left as it is.

        Returns:
            The blob's URL.
        """
        url = self.url(key)
        self._store.write_once(url, data)
        return url
