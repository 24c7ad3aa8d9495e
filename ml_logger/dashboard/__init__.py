"""The page that people watch trainings on: what it shows of files, and what it is itself.

The page is `dashboard/` of the repository, built into `assets` beside this file; what it shows is worked out here from
the files of runs: series, summaries, and few points that look like all.
"""

from __future__ import annotations

from pathlib import Path

#: What a build makes: `index.html`, and below `assets` what it loads. Not there before the first build.
ASSETS = Path(__file__).parent / "assets"
