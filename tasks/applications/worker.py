"""What a Ray actor of generation holds: one application and its loaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from infra.errors import MediaError

if TYPE_CHECKING:
    from tasks.applications.application import Application
    from tasks.generation.requests import Made, Request


class GenerationWorker:
    """Loads the model of an application once; `run` makes one video."""

    def __init__(self, application: Application, model_folder: str | None) -> None:
        # One process a core, each with one thread: convolutions at these sizes scale worse than
        # clips do.
        torch.set_num_threads(1)
        self._maker = application.maker(model_folder)

    def run(self, request: Request) -> Made | MediaError:
        """Make one video; a source that cannot be read comes back as the reason."""
        try:
            return self._maker.make(request)
        except MediaError as refused:
            return refused
