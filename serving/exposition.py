"""Metrics of several processes as one Prometheus text page. Not for counting anything itself."""


def merge(pages: list[bytes]) -> bytes:
    """Puts the samples of each metric together under one head, as the text format asks.

    Args:
        pages: what `prometheus_client.generate_latest` wrote; samples must differ by a label.
    """
    families: dict[str, tuple[list[str], list[str]]] = {}
    for page in pages:
        name = ""
        for line in page.decode().splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ")[2]
                heads_known = name in families
                heads, samples = families.setdefault(name, ([], []))
            if line.startswith("#") and not heads_known:
                heads.append(line)
            elif not line.startswith("#"):
                samples.append(line)
    lines = [line for heads, samples in families.values() for line in (*heads, *samples)]
    return ("\n".join(lines) + "\n").encode()
