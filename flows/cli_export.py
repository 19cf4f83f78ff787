"""The command that takes a model out of the house: export."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.console import Console
from flows.endings import Json


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(export)


def export(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="models:/NAME@ALIAS, models:/NAME/VERSION, or NAME: the champion.")
    ],
    to: Annotated[str, typer.Option("--to", help="A folder, new or of an export before.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise too, by pictures of training sessions.")
    ] = False,
    pte: Annotated[
        bool, typer.Option("--pte", help="For ExecuTorch too; needs the extra executorch.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a model as ONNX, for devices: student, super-resolution or depth.

    manifest.json says what goes in and comes out, with digests and versions, and which file to use:
    int8 only where it is faster and near enough to fp32 on held-out sessions. What cannot be
    exported is refused, with the part that cannot.

    Example: stillhouse export models:/student/1 --to student-onnx --int8
    """
    console: Console = context.obj
    console.settings(runs=True)
    from flows.export import export as flow

    found = flow(model, to, console.home, int8=int8, pte=pte)
    manifest = found["manifest"]
    text = console.table(
        f"{manifest['uri']} in {found['folder']}; use {manifest['ships']}",
        ("file", "bytes", "sha256"),
        [(one["file"], one["bytes"], one["sha256"]) for one in manifest["files"]],
        numbers=("bytes",),
    )
    text += f"furthest from torch: {manifest['parity']:.1e}\n"
    if manifest["int8"]:
        one = manifest["int8"]
        text += (
            f"int8 to fp32 on {one['judged_pictures']} held-out pictures: {one['measure']} "
            f"{one['mean']:.4f}, worst {one['worst']:.4f}; {one['faster']:.2f} x as fast\n"
        )
    console.answer(found, as_json=as_json, text=text)
