"""Progress bars and callbacks of fits."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._native import Progress

Callback = Callable[[Progress], object]

# A fit shorter than this, in seconds, shows no bar unless one is asked for.
_SHORT = 0.5


def _attached() -> bool:
    """Whether somebody watches: a terminal or a notebook."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


class Watch:
    """What a fit reports to: a bar where somebody watches, a callback once an epoch, and the record of all epochs."""

    def __init__(self, progress: bool | None, callback: Callback | None) -> None:
        self.history: list[Progress] = []
        self._callback = callback
        self._bar: Any = None
        self._head = ""
        # A program without a console has no standard error.
        self._shows = _attached() if progress is None else progress and sys.stderr is not None
        self._from = time.monotonic() + (_SHORT if progress is None else 0.0)

    def __call__(self, progress: Progress, whole_epoch: bool) -> None:
        if whole_epoch:
            if progress.epoch:
                self.history.append(progress)
            if self._callback is not None:
                self._callback(progress)
        if self._shows and time.monotonic() >= self._from:
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        if self._head != progress.head:
            self._close()
            try:
                with warnings.catch_warnings():
                    # A notebook without widgets has a bar of text.
                    warnings.simplefilter("ignore")
                    from tqdm.auto import tqdm
            except ImportError:
                self._shows = False
                return
            self._head = progress.head
            self._bar = tqdm(total=1.0, desc=progress.head, bar_format="{desc}: {percentage:3.0f}% |{bar}| {elapsed}{postfix}")
        self._bar.n = progress.done
        if progress.loss is not None:
            self._bar.set_postfix_str(f"epoch {progress.epoch}, loss {progress.loss:.4f}", refresh=False)
        self._bar.refresh()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()
