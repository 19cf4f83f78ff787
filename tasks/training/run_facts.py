"""What a training run says of itself besides its result: the code and the machine it had.

Runs in the training process; reads the system and our own source tree, writes nothing.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from infra.source_facts import source_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beginnings of the names of what arithmetic depends on; caches and the like are left out.
_ARITHMETIC = ("amx", "avx", "sse", "fma", "f16c", "neon", "sve", "bf16", "i8mm", "dot", "fp16")


def training_facts(threads: int) -> dict[str, str]:
    """Return the code and the machine that equal weights depend on, as tags.

    `package_version`, of a checkout `git_revision` and `git_dirty`, `torch`, `python`, `cpu`,
    `cpu_flags` (names, separated by commas) and `threads`.
    """
    import torch

    found: Mapping[str, Any] = torch.cpu.get_capabilities()
    flags = sorted(k for k, there in found.items() if there is True and k.startswith(_ARITHMETIC))
    return source_facts() | {
        "torch": version("torch"),
        "python": platform.python_version(),
        "cpu": str(found.get("cpu_name") or platform.processor() or platform.machine()),
        "cpu_flags": ",".join(flags) or platform.machine(),
        "threads": str(threads),
    }
