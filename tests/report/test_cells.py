import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spikewise.report.cells import SideBySide, add_row, as_markdown, new_table, visible

MARKUP = ["[/b]x", "[bold]x", ":smile:", "a[link=http://x]b"]
CONTROL = ["\x1b[31mred", "\x07bell", "a\rb", "\u202ebidi", "\x9b31m"]


def shown(renderable, width=80):
    """What an ordinary console prints, which knows markup."""
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("name", MARKUP)
def test_brackets_and_colons_are_no_markup(name):
    table = new_table(name, (name, "x"), [name])
    add_row(table, name, "1")
    assert shown(table).count(name) == 4
    assert name in shown(SideBySide(name, (name, "y"), ((name, ("1", "2")),), (name,)))


@pytest.mark.parametrize("name", CONTROL)
def test_no_control_character_reaches_the_terminal(name):
    table = new_table(name, (name, "x"), [name])
    add_row(table, name, "1")
    for text in (shown(table), as_markdown(table)):
        assert all(sign.isprintable() or sign == "\n" for sign in text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_shown_is_printable_and_plain_text_stays(text):
    found = visible(text)
    assert all(sign.isprintable() or sign == "\n" for sign in found)
    if all(sign.isprintable() or sign == "\n" for sign in text):
        assert found == text


PLATFORMS = tuple(f"platform-number-{n}" for n in range(8))
WIDE = SideBySide("net", PLATFORMS, (("energy", tuple("abcdefgh")), ("scope", ()), ("adc", ("yes",) * 8)), ("a note",))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_narrow_screen_gets_several_tables_and_no_broken_word(width):
    text = shown(WIDE, width)
    assert all(name in text for name in PLATFORMS)
    assert text.count("a note") == 1
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("energy") == {40: 8, 80: 3, 200: 1}[width]


def test_a_screen_that_holds_no_column_still_shows_each():
    assert shown(WIDE, 14).count("net") == 8


def test_markdown_keeps_captions_and_takes_names_as_text():
    table = new_table("a|b", ("x", "n"), ["one *note*", "two"])
    add_row(table, "<b>|[l](u)", "1")
    lines = as_markdown(table).splitlines()
    assert lines[0] == "**a|b**"
    assert lines[-2:] == ["*one \\*note\\**  ", "*two*"]
    assert r"&lt;b>\|\[l](u)" in lines[4]
    assert as_markdown(WIDE).count("| energy |") == 1
