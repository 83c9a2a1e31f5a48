"""Logs of a training run: a CSV file, and event files of TensorBoard if it is installed.

Both are written from the history in the checkpoint, so a resumed run has no gap and no repeated line.
"""

import csv
import importlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikewise._files import write_text
from spikewise.errors import MissingExtraError

CSV_FILE, TENSORBOARD_FOLDER = "training.csv", "tensorboard"


class TrainingLog:
    """Writer of the results of each epoch.

    Parameters
    ----------
    folder : Path, optional
        Folder of the logs; nothing is written if absent.
    tensorboard : bool
        Whether to write event files of TensorBoard too.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     TrainingLog(Path(folder)).write([{"epoch": 1, "loss": 0.5}])
    ...     print((Path(folder) / "training.csv").read_text())
    epoch,loss
    1,0.5
    <BLANKLINE>
    """

    def __init__(self, folder: Path | None, *, tensorboard: bool = False) -> None:
        self._folder = folder
        self._writer_kind = _writer_kind() if tensorboard and folder is not None else None
        self._writer: Any = None
        self._n_written = 0

    def write(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the whole history to the CSV file, and its new epochs to TensorBoard."""
        if self._folder is None or not history:
            return
        text = io.StringIO()
        table = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(history)
        # The whole file each time: after a resume it must not hold epochs that are run again.
        write_text(self._folder / CSV_FILE, text.getvalue())
        if self._writer_kind is not None:
            if self._writer is None:
                # Hides what an earlier process wrote: it may have logged epochs that its checkpoint does not hold.
                self._writer = self._writer_kind(str(self._folder / TENSORBOARD_FOLDER), purge_step=1)
            for row in history[self._n_written :]:
                for key, value in row.items():
                    if key != "epoch":
                        self._writer.add_scalar(key, value, row["epoch"])
            self._writer.flush()
        self._n_written = len(history)

    def close(self) -> None:
        """Finish the event file."""
        if self._writer is not None:
            self._writer.close()


def _writer_kind() -> Any:
    try:
        return importlib.import_module("torch.utils.tensorboard").SummaryWriter
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the event log needs the package 'tensorboard', which is not installed. Run: pip install tensorboard, "
            "or do without: training.csv holds the same."
        ) from None
