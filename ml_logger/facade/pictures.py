"""Pictures: images, animations, grids and figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ml_logger import keys, plain
from ml_logger.errors import InvalidKey
from ml_logger.facade.files import Files, numbered, suffixed
from ml_logger.facade.metrics import UNSET
from ml_logger.stores.base import Receipt


class Pictures(Files):
    """The verbs for pictures."""

    def log_image(
        self,
        image_or_step: Any = UNSET,
        key: str | None = None,
        *,
        step: Any = None,
        index: Any = None,
        namespace: str = "images",
        fstring: str = "{:04d}.png",
        cmap: str | None = None,
        normalize: Any = None,
        **images: Any,
    ) -> list[Receipt]:
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
            cmap: the name of a matplotlib color map, for pictures of one channel.
            normalize: True stretches the values of a picture to the whole range.
            images: pictures and animations by name.

        Raises:
            InvalidImage: an array that is no picture; says its shape, dtype and range, and what to pass.
        """
        options = {"cmap": cmap, "normalize": normalize}
        number = image_or_step
        receipts = []
        if image_or_step is not UNSET and image_or_step is not None and not plain.is_number(image_or_step):
            if not isinstance(key, str):
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
        return self._write(key, images.animation(image, suffix, key=key))

    def save_image(self, image: Any, key: str, cmap: str | None = None, normalize: Any = None) -> Receipt:
        """Store one picture under a path."""
        return self._store_picture(image, self._key(suffixed(key, ".png")), {"cmap": cmap, "normalize": normalize})

    def log_images(
        self, stack: Sequence[Any], key: str, n_rows: int | None = None, n_cols: int | None = None
    ) -> Receipt:
        """Store pictures of one size as one, in a grid that is filled row by row, nearly square by default."""
        from ml_logger.encoders import images

        target = self._key(suffixed(key, ".png"))
        return self._write(target, images.encode(images.grid(stack, n_rows, n_cols, key=target), keys.suffix(target)))

    def save_images(
        self, stack: Sequence[Any], key: str, n_rows: int | None = None, n_cols: int | None = None
    ) -> Receipt:
        """Store pictures in a grid; the same as `log_images`."""
        return self.log_images(stack, key, n_rows, n_cols)

    def log_pyplot(
        self,
        path_or_step: Any = UNSET,
        fig: Any = None,
        key: str | None = None,
        *,
        namespace: str = "figures",
        fstring: str = "{:04d}.png",
        **kw: Any,
    ) -> Receipt:
        """Store a matplotlib figure: `log_pyplot(4)` as `figures/0004.png`, `log_pyplot("figures/curve.pdf")` as named.

        Args:
            path_or_step: the path, or the step.
            fig: the figure; the current one by default.
            key: with a step, the name below `figures/`; alone, the path.
            namespace: the folder, with a step.
            fstring: how a step becomes a file name.
            kw: for matplotlib's `savefig`.
        """
        if isinstance(path_or_step, (str, os.PathLike)):
            return self.savefig(os.fspath(path_or_step), fig, **kw)
        if path_or_step is UNSET and key is not None:
            return self.savefig(key, fig, **kw)
        number = self._last_step if path_or_step is UNSET or path_or_step is None else path_or_step
        return self.savefig(f"{namespace}/{key or numbered(fstring, number)}", fig, **kw)

    def savefig(
        self,
        key: str | os.PathLike[str],
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

        target = self._key(suffixed(os.fspath(key), f".{format or 'png'}"))
        receipt = self._write(target, figures.encode(fig, f".{format}" if format else keys.suffix(target), **kw))
        if close:
            figures.close(fig)
        return receipt

    def save_pyplot(self, key: str | os.PathLike[str], fig: Any = None, **kw: Any) -> Receipt:
        """Store a matplotlib figure under a path; the same as `savefig`."""
        return self.savefig(key, fig, **kw)
