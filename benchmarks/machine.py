"""What every benchmark prints first: the machine and the versions that its figures belong to."""

from __future__ import annotations

import os
import platform
import statistics
from importlib import metadata
from pathlib import Path

PACKAGES = ("pixmill", "numpy", "numba", "simplejpeg", "pyvips", "pillow", "aiohttp")


def describe() -> str:
    """One paragraph: processor, cores, system, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"machine: {names[0] if names else platform.machine()}, {cpus} usable CPUs\n"
        f"{platform.system()}, python {platform.python_version()}, {versions}"
    )


def spread(values: list[float], unit: str = "") -> str:
    """Minimum, median and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"min {low:.3g}  median {middle:.3g}  max {high:.3g} {unit}".rstrip()


def photos() -> list[bytes]:
    """The photographs of PIXMILL_TEST_IMAGES, or where it is not set five drawn in their place."""
    folder = os.environ.get("PIXMILL_TEST_IMAGES")
    if folder:
        return [path.read_bytes() for path in sorted(Path(folder, "photos").glob("*.jpg"))]
    return [drawn_photo(seed) for seed in range(5)]


def drawn_photo(seed: int, width: int = 1400, height: int = 900) -> bytes:
    """A JPEG with the statistics of a photograph: smooth fields, edges and sensor noise."""
    import io

    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 90 + 2, width // 90 + 2, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 6, (height, width, 3)).astype(np.int16)
    noisy = np.asarray(smooth, dtype=np.int16) + noise
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
