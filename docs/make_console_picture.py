"""Draw the console output of the README's first program, as it really is, to a PNG.

    python docs/make_console_picture.py [--out figures/console.png]

The program is taken from README.rst and run in an empty folder with colors on; what it prints is drawn.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"

BACKGROUND, BAR, TEXT, DIM = "#11151c", "#1d2430", "#d7dee8", "#7d8899"
PALETTE = {"31": "#ff7b72", "32": "#6fdd8b", "33": "#f2cc60", "34": "#79b8ff", "35": "#d2a8ff", "36": "#76e3ea"}
LIGHTS = ("#ff5f57", "#febc2e", "#28c840")
SIZE, MARGIN, BAR_HEIGHT, RADIUS = 30, 44, 64, 22  # pixels

_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")


def first_program(readme: str) -> str:
    """Return the first Python block of the README, without its indentation."""
    block = re.search(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", readme)
    if block is None:
        raise SystemExit("README.rst has no block of Python")
    return re.sub(r"(?m)^    ", "", block[1]).strip() + "\n"


def run(program: str) -> str:
    """Run a program as `train.py` in an empty folder, with colors, and return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(program)
        env = {name: value for name, value in os.environ.items() if not name.startswith("ML_LOGGER_")}
        env |= {"FORCE_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        env.pop("NO_COLOR", None)
        command = [sys.executable, script.name]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(f"the program of README.rst failed:\n{done.stderr}")
    return done.stdout


def spans(line: str) -> list[tuple[str, str]]:
    """Split a line with ANSI codes into pieces of text and their colors."""
    found, color, at = [], TEXT, 0
    for match in _ESCAPE.finditer(line):
        found.append((line[at : match.start()], color))
        color, at = next((PALETTE[code] for code in match[1].split(";") if code in PALETTE), TEXT), match.end()
    return [(text, tint) for text, tint in [*found, (line[at:], color)] if text]


def draw(output: str) -> Image.Image:
    """Draw lines of a terminal, in a window with round corners."""
    font = ImageFont.truetype(str(FONTS / "DejaVuSansMono.ttf"), SIZE)
    # The cell is what a box-drawing character fills for certain, in whole pixels: the lines of a box must meet.
    _, top, _, bottom = font.getbbox("│")
    width, height = round(font.getlength("─")), round(bottom - top) - 2
    lines = [line.rstrip() for line in output.rstrip().splitlines()]
    columns = max(len(_ESCAPE.sub("", line)) for line in lines)
    size = (columns * width + 2 * MARGIN, len(lines) * height + 2 * MARGIN + BAR_HEIGHT)

    image = Image.new("RGBA", size)
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), RADIUS, fill=BACKGROUND)
    canvas.rounded_rectangle((0, 0, size[0] - 1, BAR_HEIGHT), RADIUS, fill=BAR, corners=(True, True, False, False))
    for number, light in enumerate(LIGHTS):
        x, y = 36 + 34 * number, BAR_HEIGHT // 2
        canvas.ellipse((x - 10, y - 10, x + 10, y + 10), fill=light)
    canvas.text(
        (size[0] / 2, BAR_HEIGHT / 2), "python train.py", font=font.font_variant(size=24), fill=DIM, anchor="mm"
    )
    for row, line in enumerate(lines):
        column = 0
        for text, color in spans(line):
            for char in text:
                place = (MARGIN + column * width, BAR_HEIGHT + MARGIN + row * height)
                canvas.text(place, char, font=font, fill=color)
                column += 1
    return image


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description="Draw what the README's first program prints.")
    parser.add_argument("--out", type=Path, default=ROOT / "figures" / "console.png", help="the picture (%(default)s)")
    args = parser.parse_args()
    picture = draw(run(first_program((ROOT / "README.rst").read_text(encoding="utf-8"))))
    buffer = io.BytesIO()
    # A palette is enough for text on a flat ground, and a third of the size.
    picture.quantize(128, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(buffer.getvalue())
    sys.stdout.write(f"{args.out}: {picture.width} x {picture.height}, {len(buffer.getvalue()):,} bytes\n")


if __name__ == "__main__":
    main()
