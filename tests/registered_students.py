"""Students that nothing trained, registered as distill would, for tests of what is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from infra import registry
from models import weights
from models.student import Student
from tasks.student.presets import MODEL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings
    from models.student import StudentConfig


def register_student(settings: Settings, folder: Path, config: StudentConfig) -> int:
    """Register a network of drawn weights from `folder`, make it champion, return its version."""
    torch.manual_seed(0)
    digest = weights.save(folder, Student(config).eval())
    with registry.start_run(settings, "drawn", {}, {}) as run:
        version = registry.register_model(
            run,
            MODEL_NAME,
            folder,
            example=np.zeros((1, 2, 2, 3, 64, 64), np.float32),
            tags={"weights_digest": digest},
        )
    with registry.promotion_lock(settings, MODEL_NAME):
        registry.set_champion(settings, MODEL_NAME, version)
    return version
