"""The model libraries without what they load on sight and Encore's processes have no use for.

diffusers imports peft, transformers and torch's compiler whenever they are installed, used or not, and transformers
imports scipy: most of a replica's start. A process that uses none of them hides them for as long as the libraries load.
Not for tests and programs that use peft through diffusers: call it first in a process of our own.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from serving.engine.bases.manifest import INDEX

UNUSED = ("peft", "scipy", "sklearn", "pandas", "torchaudio", "librosa", "onnx", "onnxruntime", "matplotlib")
# What the parts of an ACE-Step checkpoint are made of and a shipped base is not.
ACESTEP_ONLY = ("transformers", "accelerate")


@contextmanager
def hidden(names: Sequence[str] = UNUSED, stand_ins: Mapping[str, ModuleType | None] | None = None) -> Iterator[None]:
    """Modules that are not there while this lasts, for imports and for `find_spec`, or have another in their place;
    those already loaded stay."""
    wanted = dict.fromkeys(names) | dict(stand_ins or {})
    away = {name: module for name, module in wanted.items() if name not in sys.modules}
    sys.modules.update(away)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in away:
            sys.modules.pop(name, None)


def load_libraries(base: Path) -> None:
    """Loads diffusers and the parts of the kind of base that is in a folder, hiding what they would load beside."""
    if (base / INDEX).exists():
        with hidden():
            from transformers import AutoTokenizer, BertModel  # noqa: F401

            import serving.engine.bases.load
        return
    with hidden((*UNUSED, *ACESTEP_ONLY), {"torch._dynamo": _no_compiler()}):
        import serving.engine.bases.load  # noqa: F401


def _no_compiler() -> ModuleType:
    """In the place of torch's compiler: what marks functions for it leaves them as they are."""

    def unmarked(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Callable[..., Any]:
        return function or unmarked

    found = ModuleType("torch._dynamo")
    found.allow_in_graph = found.disable = unmarked  # type: ignore[attr-defined]
    return found
