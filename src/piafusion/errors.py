"""Typed errors: what was expected, what was found, what to do next.

Every error that a user can cause derives from `PiafusionError`; its message is one line that
can be shown as it stands. The command line maps `UsageError` to exit code 2 and every other
error of single items to exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class PiafusionError(Exception):
    """Base of every error that piafusion raises on purpose."""


class UsageError(PiafusionError, ValueError):
    """A wrong argument or option: an unknown name, a folder that does not exist, no pairs."""


class ImageError(PiafusionError, ValueError):
    """A picture whose content, dtype or shape cannot be used, or a file that is not one."""


class SizeMismatchError(ImageError):
    """Two pictures that must have the same height and width have not."""


class TooSmallError(ImageError):
    """Pictures are too small for some of the metrics asked for.

    Attributes:
        metrics: The names of these.
    """

    def __init__(self, message: str, metrics: Sequence[str]) -> None:
        """Keep the message and the names."""
        super().__init__(message)
        self.metrics = tuple(metrics)


class TooSlowError(ImageError):
    """A picture's file keeps its decoder at work for longer than it may."""


class AlignmentError(PiafusionError):
    """No alignment that can be trusted was found, or a file holds none."""


class OutputError(PiafusionError, OSError):
    """A result could not be written; nothing half-written is left behind."""


class StorageError(PiafusionError):
    """A file system behind a URL refuses or cannot be reached."""


class WeightsError(PiafusionError):
    """Network weights are missing, corrupt or not the ones that the manifest describes."""


class DeviceError(PiafusionError):
    """The device asked for is not available to the installed engine."""


class MissingExtraError(PiafusionError, ImportError):
    """An optional dependency is not installed; the message names the install command."""


@contextmanager
def needing(extra: str, purpose: str, instead: str = "") -> Iterator[None]:
    """Tell, where an import of optional packages fails, how to install them.

    >>> with needing("eval", "the tables of an evaluation"):
    ...     import nothing_of_that_name
    Traceback (most recent call last):
    piafusion.errors.MissingExtraError: expected nothing_of_that_name for the tables of an \
evaluation, found it not installed; run: pip install 'piafusion[eval]'

    Args:
        extra: The extra that the packages belong to.
        purpose: The feature that needs them.
        instead: Another way than installing, with the comma before it.

    Raises:
        MissingExtraError: If an import in the block fails.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError(
            f"expected {error.name} for {purpose}, found it not installed; "
            f"run: pip install 'piafusion[{extra}]'{instead}"
        ) from error


class TrainingError(PiafusionError):
    """A training run cannot start, cannot resume or has diverged."""


class MeasurementError(PiafusionError):
    """A process that measures could not do its work; the message says why."""


class ClusterError(PiafusionError):
    """A Ray cluster cannot be reached, or its workers cannot do the work."""


class VideoError(PiafusionError):
    """A video, stream or device cannot be opened or decoded, or has broken off."""


class DownloadError(PiafusionError, OSError):
    """A data set could not be downloaded, or is not the expected one; what came is kept apart."""


def system_reason(error: Exception) -> str:
    """Return what the system tells about an error, in lower case."""
    return str(getattr(error, "strerror", None) or error).lower()
