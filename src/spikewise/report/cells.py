"""Texts in tables: shown as they are, whatever names from outside contain; tables that break where a screen is narrow.

Names of layers, networks and platforms come from files that others wrote. A bracket in them is no markup, and a control
character is shown by its code, so that it cannot reach the terminal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from spikewise.units import format_si


def visible(text: str) -> str:
    r"""The text with everything that cannot be printed as an escape code; line breaks stay.

    Examples
    --------
    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def plain(text: object) -> Text:
    """The text for a cell, a header, a title or a caption: no markup, no control characters."""
    return Text(visible(str(text)))


def new_table(
    title: str, headers: Sequence[str], caption: Iterable[str] = (), left: Sequence[int] = (0,), *, fold: bool = False
) -> Table:
    """An empty table with plain texts.

    Parameters
    ----------
    title : str
        Above the table.
    headers : sequence of str
        One per column.
    caption : iterable of str
        Lines below the table.
    left : sequence of int
        Columns that are text, set to the left; numbers stand to the right.
    fold : bool
        Whether long words may break, where they are names.
    """
    lines = "\n".join(caption)
    table = Table(
        title=plain(title) if title else None, caption=plain(lines) if lines else None, caption_justify="left"
    )
    for place, header in enumerate(headers):
        justify = "left" if place in left else "right"
        table.add_column(plain(header), justify=justify, overflow="fold" if fold else "ellipsis")  # type: ignore[arg-type]
    return table


def add_row(table: Table, *cells: str, is_head: bool = False) -> None:
    """Add a row of plain texts; a head opens a section."""
    table.add_row(*map(plain, cells), style="bold" if is_head else None)


def format_joule_seconds(value: float) -> str:
    """Energy-delay product in one notation everywhere.

    Examples
    --------
    >>> format_joule_seconds(6.59e-8)
    '65.9 nJ s'
    """
    return format_si(value, "J s")


_MARKDOWN = str.maketrans({"<": "&lt;", **{sign: f"\\{sign}" for sign in "\\`*["}})


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Rows and columns of figures: one table where the screen is wide, several with the same rows where it is not.

    Parameters
    ----------
    title : str
        Above each table.
    columns : sequence of str
        Names of the columns; they may be equal.
    rows : sequence of (str, sequence of str)
        A name and a cell per column; a row without cells opens a section.
    caption : sequence of str
        Lines below the last table.
    corner : str
        Header of the column of names.
    has_total : bool
        Whether the last row is set apart.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    caption: tuple[str, ...] = ()
    corner: str = ""
    has_total: bool = False

    def whole(self) -> Table:
        """All columns in one table."""
        return self._table(range(len(self.columns)), self.caption)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As few tables as fit."""
        rest = list(range(len(self.columns)))
        while rest:
            n_columns = next((n for n in range(len(rest), 1, -1) if self._fits(rest[:n], console, options)), 1)
            now, rest = rest[:n_columns], rest[n_columns:]
            yield self._table(now, () if rest else self.caption)

    def _fits(self, places: Sequence[int], console: Console, options: ConsoleOptions) -> bool:
        """Whether no line of these columns would break."""
        wide = options.update(width=10_000)
        return Measurement.get(console, wide, self._table(places, ())).maximum <= options.max_width

    def _table(self, places: Iterable[int], caption: tuple[str, ...]) -> Table:
        places = tuple(places)
        headers = (self.corner, *(self.columns[place] for place in places))
        table = new_table(self.title, headers, caption, fold=True)
        for number, (name, cells) in enumerate(self.rows, start=1):
            if not cells or (self.has_total and number == len(self.rows)):
                table.add_section()
            add_row(table, name, *(cells[place] if cells else "" for place in places), is_head=not cells)
        return table


def as_markdown(shown: Table | SideBySide) -> str:
    """A table in the notation of Markdown, its title above and its caption below.

    Examples
    --------
    >>> table = new_table("toy", ["part", "energy"], ["per sample"])
    >>> add_row(table, "adc", "1 pJ")
    >>> print(as_markdown(table))
    **toy**
    <BLANKLINE>
    | part | energy |
    |---|---:|
    | adc | 1 pJ |
    <BLANKLINE>
    *per sample*
    """
    table = shown.whole() if isinstance(shown, SideBySide) else shown
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    rows = [[_cell(text) for text in row] for row in zip(*columns, strict=True)]
    marks = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    body = [lines[0], "|" + "|".join(marks) + "|", *lines[1:]] if table.show_header else _items(rows)
    head = [f"**{_escaped(str(table.title))}**", ""] if table.title else []
    caption = [] if not table.caption else ["", *(f"*{_escaped(line)}*  " for line in str(table.caption).split("\n"))]
    return "\n".join([*head, *body, *caption]).rstrip()


def _items(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table without header: a list, whose first column is the dash."""
    return ["- " + " ".join(cell for cell in row[1:] if cell) for row in rows[1:]]


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    r"""Visible, and no markup of HTML or of Markdown where a name could bring some."""
    return visible(text).translate(_MARKDOWN)
