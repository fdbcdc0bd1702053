"""What makes one machine compute unlike another, as one fingerprint."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import torch

from serving.engine.bases.manifest import INDEX, MANIFEST

CPU_INFO = Path("/proc/cpuinfo")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def describe(folder: Path, device: torch.device) -> dict[str, str]:
    """Processor and flags, cores, device, torch and base: whatever a measurement depends on."""
    cpu = _cpu()
    return {
        "processor": cpu.get("model name", platform.processor() or platform.machine()),
        "flags": cpu.get("flags", cpu.get("Features", "")),
        "cores": str(cores()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch": torch.__version__,
        "base": _base(folder),
    }


def fingerprint(facts: Mapping[str, str]) -> str:
    """One name for such facts."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:16]


def _cpu() -> dict[str, str]:
    """The first processor's lines; empty where the kernel tells nothing."""
    try:
        first = CPU_INFO.read_text(encoding="utf-8").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _base(folder: Path) -> str:
    """Changes with the base; its weights need not be read for it."""
    digest = hashlib.sha256()
    for name in (MANIFEST, INDEX, "transformer/config.json"):
        file = folder / name
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()
