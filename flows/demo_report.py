"""What a person reads at the end of a run: counts that add up, the model beside its baselines.

Writes nothing; returns text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flows.console import Console
    from infra.settings import Settings

PER_SESSION = (
    "session",
    "clips",
    "bicubic",
    "Lanczos",
    "ours",
    "gain",
    "SSIM bicubic",
    "SSIM ours",
)
BLUR = {"bi": "antialiased cubic", "bd": "Gaussian blur", "codec": "H.264"}


def judged_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return the held-out result, session by session, each with its baselines."""
    if found["model"] == "depth":
        return _depth_text(console, found)
    if found["model"] in ("distiller", "student", "manifold"):
        return _distiller_text(console, found)
    if found["model"] == "action":
        return _action_text(console, found)
    if found["model"] == "synthesis":
        return _plain_text(console, found)
    if found["model"] == "style":
        return _style_text(console, found)
    table: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in found["per_session"]:
        table.setdefault((row["degradation"], row["session"]), {})[row["method"]] = row
    text = ""
    for degradation in dict.fromkeys(kind for kind, _ in table):
        rows = []
        for (kind, session), methods in table.items():
            if kind != degradation:
                continue
            ours, cubic, lanczos = (methods[name] for name in ("model", "bicubic", "lanczos"))
            rows.append(
                (
                    session,
                    ours["clips"],
                    *(f"{row['psnr_y']:.2f}" for row in (cubic, lanczos, ours)),
                    f"{ours['psnr_y'] - cubic['psnr_y']:+.2f}",
                    f"{cubic['ssim_y']:.4f}",
                    f"{ours['ssim_y']:.4f}",
                )
            )
        title = (
            f"{found['model']} v{found['version']}, held-out sessions, luma PSNR in dB; "
            f"input made small by: {BLUR.get(degradation, degradation)}"
        )
        text += console.table(title, PER_SESSION, rows, numbers=PER_SESSION[1:]) + "\n"
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


def _depth_text(console: Console, found: Mapping[str, Any]) -> str:
    rows = [
        (
            *(row[name] for name in ("renderer", "method", "scenes")),
            *(f"{row[name]:.3f}" for name in ("abs_rel", "delta")),
        )
        for row in found["per_session"]
    ]
    columns = ("scenes of", "method", "scenes", "abs-rel", "within 1.25 x")
    title = f"{found['model']} v{found['version']}, held-out rendered scenes"
    text = console.table(title, columns, rows, numbers=columns[2:]) + "\n"
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


def _action_text(console: Console, found: Mapping[str, Any]) -> str:
    """One row a session: how many windows, and the share of them that each method told right."""
    sessions: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in found["per_session"]:
        sessions.setdefault(row["session"], {})[row["method"]] = row
    methods = list(dict.fromkeys(row["method"] for row in found["per_session"]))
    rows = [
        (session, by["model"]["items"], *(_told(by.get(name), "top1", 3) for name in methods))
        for session, by in sessions.items()
    ]
    columns = ("session", "windows", *("ours" if name == "model" else name for name in methods))
    title = f"{found['model']} v{found['version']}, share of windows told right"
    text = console.table(title, columns, rows, numbers=columns[1:]) + "\n" if rows else ""
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


def _plain_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return every figure as it stands: a row a session, cell and method."""
    columns = tuple(dict.fromkeys(name for row in found["per_session"] for name in row))
    rows = [tuple(row.get(name) for name in columns) for row in found["per_session"]]
    text = console.table(f"{found['model']} v{found['version']}", columns, rows) + "\n"
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


def _style_text(console: Console, found: Mapping[str, Any]) -> str:
    measures = ("warping", "style", "edges")
    rows = [
        (
            *(row[name] for name in ("session", "styles", "method")),
            *(f"{row[name]:.3f}" for name in measures),
        )
        for row in found["per_session"]
    ]
    columns = ("session", "styles", "method", *measures)
    title = f"{found['model']} v{found['version']}, held-out sessions, by the footage's own figure"
    text = console.table(title, columns, rows, numbers=measures) + "\n"
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


# What decides in each application of the distiller, and how many digits of it are told.
DECIDES = {
    "target": ("fg_psnr", "dB in the foreground", 2, "rebuilt from the code of all cameras"),
    "view": ("fg_psnr", "dB in the foreground", 2, "made from the code of the other cameras"),
    "retrieval": ("map", "mean average precision", 3, "a moment found through other cameras"),
    "dropout": ("map", "mean average precision", 3, "a moment found from some of the cameras"),
}
SEEN = {"new_rig": "held-out sessions", "same_rig": "training rigs at a later time"}


def _distiller_text(console: Console, found: Mapping[str, Any]) -> str:
    """One table a setting and application: a row a session, a column a method."""
    tables: dict[tuple[str, str], dict[str, dict[str, Mapping[str, Any]]]] = {}
    for row in found["per_session"]:
        one = tables.setdefault((row["setting"], row["application"]), {})
        one.setdefault(row["session"], {})[row["method"]] = row
    text = ""
    for (setting, application), sessions in tables.items():
        measure, unit, digits, what = DECIDES[application]
        methods = list(dict.fromkeys(name for by in sessions.values() for name in by))
        rows = [
            (session, by["model"]["pieces"], *(_told(by.get(m), measure, digits) for m in methods))
            for session, by in sessions.items()
        ]
        columns = ("session", "pieces", *("ours" if m == "model" else m for m in methods))
        title = f"{found['model']} v{found['version']}, {SEEN[setting]}, {what}; {unit}"
        text += console.table(title, columns, rows, numbers=columns[1:]) + "\n"
    return text + "".join(f"{remark}\n" for remark in found["remarks"])


def _told(row: Mapping[str, Any] | None, measure: str, digits: int) -> str:
    value = "" if row is None else row[measure]
    return "" if value == "" else f"{value:.{digits}f}"


def gates_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return the gates of a promotion and what came of it."""
    rows = [
        (
            gate["name"],
            "-" if gate["value"] is None else f"{gate['value']:+.3f}",
            # Verdicts of before say neither.
            f"{gate.get('bound', 'above')} {gate['threshold']:+.3f}",
            _verdict(gate),
            gate.get("said", ""),
        )
        for gate in found["gates"]
    ]
    title = f"promotion of {found['model']} v{found['version']}"
    columns = ("gate", "value", "must be", "", "says")
    text = console.table(title, columns, rows, numbers=("value",))
    was, now = found["champion_before"], found["champion_after"]
    if found["rolled_back"]:
        return f"champion: v{now} again (was v{was})\n"
    if found["promoted"] and was == now:
        return text + f"champion already: v{was}\n"
    if found["promoted"]:
        return text + f"champion: v{now}" + (f" (was v{was})\n" if was else "\n")
    return text + f"refused; champion stays {f'v{now}' if now else 'nobody'}\n"


def _verdict(gate: Mapping[str, Any]) -> str:
    if gate["passed"]:
        return "not measured" if gate["value"] is None else "passed"
    return "FAILED"


def hits_text(console: Console, title: str, hits: Iterable[Mapping[str, Any]]) -> str:
    """Return what a search found, best first; of words, who said them."""
    head, rows = ["score", "session", "when", "camera", "clip_id"], []
    for hit in hits:
        row = [
            f"{hit['score']:.3f}",
            hit["session"],
            f"{hit['start_ns'] / 1e9:.2f}-{hit['end_ns'] / 1e9:.2f} s",
            hit["camera_id"] or "all",
            hit["clip_id"],
        ]
        if "said" in hit:
            row.append(f"{hit['said']}: {hit['label']}" if hit["label"] else hit["said"])
        rows.append(tuple(row))
    if rows and len(rows[0]) > len(head):
        head.append("said")
    return console.table(title, tuple(head), rows)


def demo_text(console: Console, found: Mapping[str, Any], settings: Settings) -> str:
    """Return the demo's last page: counts, the model, the gates, and where to look."""
    stages = found["stages"]
    parts = [console.stages(stages)]
    for model in [name.partition(" ")[2] for name in stages if name.startswith("distill ")]:
        parts.append(judged_text(console, stages[f"distill {model}"]))
        parts.append(gates_text(console, stages[f"promote {model}"]))
    if found["search"]:
        title = f"most like clip {found['search']['clip_id']}, in other sessions"
        parts.append(hits_text(console, title, found["search"]["hits"]))
    if all(
        report["inputs"] == report["cached"] + report["quarantined"] for report in stages.values()
    ):
        parts.insert(0, "nothing to do: every stage is cached\n")
    parts.append(_where_to_look(settings))
    return "\n".join(parts)


def _where_to_look(settings: Settings) -> str:
    ours = (
        ["stillhouse"]
        if settings.home.name == ".stillhouse"
        else ["stillhouse", "--home", str(settings.home)]
    )
    ask = '"select name, split from current_sessions"'
    lines = {
        "new video": f"{settings.generations}/*.mp4",
        "its lineage and quality": " ".join([*ours, "show generations"]),
        "what was refused, and why": " ".join([*ours, "show quarantine"]),
        "ask anything": " ".join([*ours, "sql", ask]),
        "runs, curves, pictures": f"mlflow ui --backend-store-uri {settings.tracking_uri}",
    }
    width = max(map(len, lines))
    told = [f"  {name:<{width}}  {what}" for name, what in lines.items()]
    return "\n".join(["where to look", *told, ""])
