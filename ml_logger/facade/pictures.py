"""Pictures: images, animations, grids and figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ml_logger import keys, plain
from ml_logger.errors import InvalidKey
from ml_logger.facade.files import Files, PathLike, numbered, suffixed
from ml_logger.facade.forms import UNSET
from ml_logger.stores.base import Receipt, Receipts


class Pictures(Files):
    """The verbs for pictures."""

    def log_image(
        self,
        image_or_step: Any = UNSET,
        key: PathLike | None = None,
        *,
        step: Any = None,
        index: Any = None,
        namespace: str = "images",
        fstring: str = "{:04d}.png",
        cmap: Any = None,
        normalize: bool | str | None = None,
        **images: Any,
    ) -> Receipts:
        """Store pictures by name and step, or under a path.

        `log_image(4, face=array)` is stored as `images/face/0004.png`, `log_image(array, "face.png")` as `face.png`.

        A picture is an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), a tensor also (C, H, W), of uint8,
        bool, or floats in [0, 1]; or a PIL image. A list of them is an animation, `images/face/0004.gif`.

        Args:
            image_or_step: the picture, or the step.
            key: the path of a picture that is given first.
            step, index: the step by name.
            namespace: the folder of pictures that are given by name.
            fstring: how a step becomes a file name; its suffix says the format.
            cmap: a matplotlib color map or its name, for pictures of one channel.
            normalize: True stretches the values of a picture to the whole range; "grid" those of all frames together.
            images: pictures and animations by name.

        Raises:
            InvalidImage: an array that is no picture; says its shape, dtype and range, and what to pass.
        """
        options = {"cmap": cmap, "normalize": normalize}
        number = image_or_step
        receipts = Receipts()
        if image_or_step is not UNSET and image_or_step is not None and not plain.is_number(image_or_step):
            if not isinstance(key, (str, os.PathLike)):
                raise InvalidKey(
                    "a picture that comes first needs a path: log_image(image, 'face.png'); or by name and step"
                )
            receipts.append(self._store_picture(image_or_step, self._key(suffixed(key, ".png")), options))
            number = UNSET
        if number is UNSET or number is None:
            number = next((given for given in (step, index, self._last_step) if given is not None), 0)
        for name, image in images.items():
            target = self._key(namespace, name, numbered(fstring, number))
            receipts.append(self._store_picture(image, target, options))
        return receipts

    def _store_picture(self, image: Any, key: str, options: dict[str, Any]) -> Receipt:
        from ml_logger.encoders import images

        suffix = keys.suffix(key)
        if not images.is_animation(image):
            return self._write(key, images.encode(image, suffix, key=key, **options))
        if suffix not in (".gif", ".webp"):
            key, suffix = f"{key[: len(key) - len(suffix)]}.gif", ".gif"
        return self._write(key, images.animation(image, suffix, key=key, **options))

    def save_image(self, image: Any, key: PathLike, cmap: Any = None, normalize: bool | str | None = None) -> Receipt:
        """Store one picture under a path: `save_image(array, "face.png")`; `cmap` and `normalize` as in `log_image`."""
        options = {"cmap": cmap, "normalize": normalize}
        return self._store_picture(image, self._key(suffixed(key, ".png")), options)

    def log_images(
        self,
        stack: Sequence[Any],
        key: PathLike,
        n_rows: int | None = None,
        n_cols: int | None = None,
        cmap: Any = None,
        normalize: bool | str | None = None,
    ) -> Receipt:
        """Store pictures of one size as one, in a grid that is filled row by row, nearly square by default.

        Args:
            stack: a list of pictures, or an array of them.
            key: the path.
            n_rows, n_cols: the size of the grid; what stays free is black.
            cmap: a matplotlib color map or its name, for pictures of one channel.
            normalize: stretches values to the whole range: True those of each picture, "row", "column" or "grid" those
                of each row, each column, or of all pictures together.
        """
        from ml_logger.encoders import grids, images

        target = self._key(suffixed(key, ".png"))
        grid = grids.grid(stack, n_rows, n_cols, key=target, cmap=cmap, normalize=normalize)
        return self._write(target, images.encode(grid, keys.suffix(target)))

    def save_images(
        self,
        stack: Sequence[Any],
        key: PathLike,
        n_rows: int | None = None,
        n_cols: int | None = None,
        cmap: Any = None,
        normalize: bool | str | None = None,
    ) -> Receipt:
        """Store pictures in a grid; the same as `log_images`."""
        return self.log_images(stack, key, n_rows, n_cols, cmap, normalize)

    def save_video(
        self,
        frames: Iterable[Any],
        key: PathLike,
        format: str | None = None,
        fps: float = 20,
        cmap: Any = None,
        normalize: bool | str | None = None,
    ) -> Receipt:
        """Store frames as a video: `save_video(frames, "videos/walk.mp4", fps=30)`.

        Args:
            frames: pictures of one size: a list, an array, or, for .mp4, a generator, of which one is in memory at a
                time.
            key: the path; its suffix is .mp4, .gif, .webp or .png (.mp4 by default).
            format: the format, when it is not the suffix.
            fps: frames per second.
            cmap, normalize: as in `log_images`.

        Raises:
            InvalidImage: a frame that is no picture, or of another size than the first.
            UnsupportedFormat: another format.
            NotAvailable: .mp4, and `ml-logger[video]` is not installed.
        """
        from ml_logger.encoders import images, videos

        target = self._key(suffixed(key, f".{format or 'mp4'}".replace("..", ".")))
        suffix = f".{format.lower().lstrip('.')}" if format else keys.suffix(target)
        options: dict[str, Any] = {"fps": fps, "key": target, "cmap": cmap, "normalize": normalize}
        if suffix in (".gif", ".webp", ".png"):
            stack = frames if hasattr(frames, "__len__") else list(frames)
            return self._write(target, images.animation(stack, suffix, **options))  # type: ignore[arg-type]
        return self._write(target, videos.encode(frames, suffix, **options))

    def log_video(
        self,
        frames: Iterable[Any],
        key: PathLike,
        format: str | None = None,
        fps: float = 20,
        cmap: Any = None,
        normalize: bool | str | None = None,
    ) -> Receipt:
        """Store frames as a video; the same as `save_video`."""
        return self.save_video(frames, key, format, fps, cmap, normalize)

    def log_pyplot(
        self,
        path_or_step: Any = UNSET,
        fig: Any = None,
        key: str | None = None,
        *,
        step: Any = UNSET,
        path: PathLike | None = None,
        namespace: str = "figures",
        fstring: str = "{:04d}.png",
        **kw: Any,
    ) -> Receipt:
        """Store a matplotlib figure: `log_pyplot(4)` as `figures/0004.png`, `log_pyplot("figures/curve.pdf")` as named.

        Args:
            path_or_step: the path, or the step.
            fig: the figure; the current one by default.
            key: with a step, the name below `figures/`; alone, the path.
            step, path: the same as the first, by name.
            namespace: the folder, with a step.
            fstring: how a step becomes a file name.
            kw: for matplotlib's `savefig`.
        """
        if path_or_step is UNSET:
            path_or_step = step if path is None else path
        if isinstance(path_or_step, (str, os.PathLike)):
            return self.savefig(os.fspath(path_or_step), fig, **kw)
        if path_or_step is UNSET and key is not None:
            return self.savefig(key, fig, **kw)
        number = self._last_step if path_or_step is UNSET or path_or_step is None else path_or_step
        return self.savefig(f"{namespace}/{key or numbered(fstring, number)}", fig, **kw)

    def savefig(
        self,
        key: PathLike,
        fig: Any = None,
        format: str | None = None,
        close: bool = False,
        **kw: Any,
    ) -> Receipt:
        """Store a matplotlib figure under a path; the suffix, or `format`, is one that matplotlib writes.

        Args:
            key: the path; `.png` is added where it has no suffix.
            fig: the figure; the current one by default.
            format: the format, when it is not the suffix.
            close: close the figure afterwards.
            kw: for matplotlib's `savefig`: `dpi`, `bbox_inches`...

        Raises:
            UnsupportedFormat: matplotlib does not write this format; lists those it does.
        """
        from ml_logger.encoders import figures

        target = self._key(suffixed(key, f".{format or 'png'}"))
        receipt = self._write(target, figures.encode(fig, f".{format}" if format else keys.suffix(target), **kw))
        if close:
            figures.close(fig)
        return receipt

    def save_pyplot(
        self, key: PathLike, fig: Any = None, format: str | None = None, close: bool = False, **kw: Any
    ) -> Receipt:
        """Store a matplotlib figure under a path; the same as `savefig`."""
        return self.savefig(key, fig, format, close, **kw)
