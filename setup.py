"""Builds the dashboard into the package. Where that cannot be done all else is installed; the page says what to do."""

import importlib.util
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PLACE = Path("ml_logger", "dashboard")


def builder():
    """Return what builds the page; the package itself cannot be imported before what it needs is installed."""
    spec = importlib.util.spec_from_file_location("_ml_logger_dashboard_build", ROOT / PLACE / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class BuildWithPage(build_py):
    """Copies the package, then builds the page into it; without a page its sources go along, to be built later."""

    def run(self):
        """Build."""
        super().run()
        build = builder()
        place = ROOT / PLACE if self.editable_mode else Path(self.build_lib) / PLACE
        try:
            build.build(place / "assets", ROOT / "dashboard", ROOT / PLACE / "assets")
        except build.CannotBuild as error:
            sys.stderr.write(f"warning: the dashboard was not built, all else is: {error}\n")
            if not self.editable_mode:
                build.copy_sources(ROOT / "dashboard", place / "source")
        else:
            shutil.rmtree(Path(self.build_lib) / PLACE / "source", ignore_errors=True)


setup(cmdclass={"build_py": BuildWithPage})
