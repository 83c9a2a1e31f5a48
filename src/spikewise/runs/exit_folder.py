"""The folder of one exit setting in a run: each of its files is read once, and known when it was just written."""

from functools import cached_property
from pathlib import Path

from spikewise._files import make_folder, mendable, write_json
from spikewise.price.analysis.companions import Prices, read_prices, write_prices
from spikewise.workload.workload import Workload

from .exit_record import ChoiceRecord, ExitRecord
from .gallery import Gallery
from .names import CHOICE_FILE, COST_FILE, EXIT_FILE, GALLERY_FILE, WORKLOAD_FILE


class ExitFolder:
    """Files of an exit setting; every one raises DataError if it is damaged.

    Parameters
    ----------
    path : Path
        The folder, whether or not it is there yet; its name is that of the setting.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name

    @property
    def is_complete(self) -> bool:
        """Whether all files are there but for the prices."""
        return all((self.path / name).exists() for name in (EXIT_FILE, WORKLOAD_FILE, GALLERY_FILE, CHOICE_FILE))

    @cached_property
    def record(self) -> ExitRecord:
        """Rule, calibration and test figures."""
        return ExitRecord.read(self.path / EXIT_FILE)

    @cached_property
    def choice(self) -> ChoiceRecord | None:
        """Certificate and exit profile; None where there is none."""
        file = self.path / CHOICE_FILE
        return ChoiceRecord.read(file) if file.exists() else None

    @property
    def is_certified(self) -> bool:
        """Whether there is a certificate."""
        return self.choice is not None and self.choice.certificate is not None

    def needed_choice(self) -> ChoiceRecord:
        """Certificate and exit profile, which must be there."""
        return self.choice or ChoiceRecord.read(self.path / CHOICE_FILE)

    @cached_property
    def load(self) -> Workload:
        """Workload with this exit."""
        with mendable(self.path / WORKLOAD_FILE):
            return Workload.read(self.path / WORKLOAD_FILE)

    @cached_property
    def prices(self) -> Prices:
        """Prices on the platform that was asked for and on its companions; none before they were made."""
        file = self.path / COST_FILE
        return read_prices(file) if file.exists() else ()

    @cached_property
    def gallery(self) -> Gallery | None:
        """Images that left first and last; None where there are none."""
        file = self.path / GALLERY_FILE
        return Gallery.read(file) if file.exists() else None

    def check(self) -> None:
        """Read all that a page shows; raises DataError if a file is damaged."""
        _ = self.record, self.choice, self.prices, self.gallery

    def write(self, choice: ChoiceRecord, load: Workload, gallery: Gallery | None = None) -> None:
        """Write everything but the record, which comes last, and the prices."""
        make_folder(self.path)
        load.write(self.path / WORKLOAD_FILE)
        if gallery is not None:
            gallery.write(self.path / GALLERY_FILE)
        write_json(self.path / CHOICE_FILE, choice.to_dict())
        vars(self).update(choice=choice, load=load, gallery=gallery)

    def write_record(self, record: ExitRecord) -> None:
        """Write ``exit.json``: its presence means that the setting is complete."""
        write_json(self.path / EXIT_FILE, record.to_dict())
        vars(self).update(record=record)

    def write_prices(self, prices: Prices) -> None:
        """Write ``cost.json``."""
        write_prices(self.path / COST_FILE, prices)
        vars(self).update(prices=prices)
