"""Operations on pictures: which there are, how a chain of them is written, what it will take.

Importing this is cheap: no library for pictures is loaded before one is rendered, which is left to
`pixmill.imaging.rendering`.
"""

from pixmill.imaging.operations.forecast import may_have_alpha, output_format, output_quality
from pixmill.imaging.operations.memory import memory_bytes
from pixmill.imaging.operations.presets import PRESETS
from pixmill.imaging.operations.registry import OPERATIONS, Operation
from pixmill.imaging.operations.text import (
    Chain,
    ChainError,
    Step,
    canonical,
    parse_text,
    parse_words,
)

__all__ = [
    "OPERATIONS",
    "PRESETS",
    "Chain",
    "ChainError",
    "Operation",
    "Step",
    "canonical",
    "may_have_alpha",
    "memory_bytes",
    "output_format",
    "output_quality",
    "parse_text",
    "parse_words",
]
