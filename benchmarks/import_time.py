"""Measure what `import ml_logger` costs over a bare interpreter, and list the heavy modules that it loads.

Prints one table; does not gate.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

HEAVY = ("PIL", "matplotlib", "numpy", "pandas", "requests", "sanic", "torch")
LOADED = f"import sys, ml_logger; print(*(name for name in {HEAVY} if name in sys.modules))"
PROGRAMS = {"bare interpreter": "pass", "import ml_logger": "import ml_logger"}


def run(program: str, bytecode: str) -> tuple[float, str]:
    """Run a program in an interpreter of its own; return the seconds it took and what it printed.

    Args:
        program: the program.
        bytecode: the folder of compiled modules, since an installed package is compiled, whatever the settings here.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", program]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=environment)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40, help="runs of each program (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="5 runs of each: to see that it works")
    args = parser.parse_args()

    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as bytecode:
        heavy = run(LOADED, bytecode)[1].strip()  # and compiles all that the others need
        for _ in range(5 if args.quick else args.runs):
            for name, program in PROGRAMS.items():  # in turns, so that a busy moment of the machine meets both
                times[name].append(run(program, bytecode)[0])

    bare, ours = (statistics.median(seconds) * 1e3 for seconds in times.values())
    print(f"{'':20}{'median':>10}{'best':>10}   ms")
    for name, seconds in times.items():
        print(f"{name:20}{statistics.median(seconds) * 1e3:10.1f}{min(seconds) * 1e3:10.1f}")
    print(f"{'difference':20}{ours - bare:10.1f}")
    print(f"heavy modules loaded: {heavy or 'none'} (of {', '.join(HEAVY)})")


if __name__ == "__main__":
    main()
