"""The page that people watch trainings on: `dashboard/` of the repository, built into `assets` beside this file."""

from __future__ import annotations

from pathlib import Path

#: What a build makes: `index.html`, and below `assets` what it loads. Not there before the first build.
ASSETS = Path(__file__).parent / "assets"
