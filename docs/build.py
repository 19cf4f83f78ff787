"""Build the documentation: `python docs/build.py [FOLDER]`; the site is FOLDER/site.

Reads the repository, writes below FOLDER (build/docs) alone, and asks nothing of the network. A
warning is an error: a link or an anchor that leads nowhere, a page that nothing leads to, a script,
style, font or picture that would be fetched from elsewhere.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]


def build(folder: Path) -> Path:
    """Return the site's folder.

    Raises:
        SystemExit: what is wrong stands on stderr.
    """
    try:
        from sphinx.cmd.build import build_main
    except ImportError as error:
        raise SystemExit("The site builder is not here: pip install -e '.[docs]'") from error
    pages, site = folder / "pages", folder / "site"
    # Deployments are told of by Prefect's own objects, and Prefect makes a home when imported.
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    from generators.assembly import PageError, assemble
    from generators.links import faults

    try:
        assemble(pages)
    except PageError as error:
        raise SystemExit(str(error)) from error
    shutil.rmtree(site, ignore_errors=True)
    strict = ["-q", "-W", "--keep-going", "-n"]
    places = ["-d", str(folder / "doctrees"), "-c", str(ROOT / "docs"), str(pages), str(site)]
    if build_main([*strict, *places]):
        raise SystemExit("The site was not built: see the warnings above.")
    wrong = faults(site)
    if wrong:
        raise SystemExit("\n".join(wrong))
    return site


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()))
