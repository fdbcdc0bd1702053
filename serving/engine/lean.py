"""The model libraries without what they load on sight and Encore's processes have no use for.

diffusers imports peft, and transformers imports scipy, whenever they are installed, used or not: a third
of a replica's start. A process that neither trains with peft nor detects objects hides them for as long as
the libraries load. Not for tests and programs that use peft through diffusers: call it first in a process of our own.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

UNUSED = ("peft", "scipy", "sklearn", "pandas", "torchaudio", "librosa", "onnx", "onnxruntime", "matplotlib")


@contextmanager
def hidden(names: Sequence[str] = UNUSED) -> Iterator[None]:
    """Modules that are not there while this lasts, for imports and for `find_spec`; those already loaded stay."""
    away = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(away))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in away:
            sys.modules.pop(name, None)


def load_libraries() -> None:
    """Loads diffusers, transformers and the parts of a base, hiding what they would load beside."""
    with hidden():
        from transformers import AutoTokenizer, BertModel  # noqa: F401

        import serving.engine.bases.load  # noqa: F401
