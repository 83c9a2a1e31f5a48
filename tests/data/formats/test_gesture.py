"""DVS128-Gesture: recordings cut where their tables say."""

import pytest

from spikewise.data.formats.gesture import read_gestures, read_trials
from spikewise.errors import DataError

EVENTS = [(10 * i, i, i, i % 2) for i in range(10)]
HEAD = "class,startTime_usec,endTime_usec\n"


@pytest.fixture
def write(tmp_path, event_files):
    """Function that writes a recording and its table."""

    def run(rows, head=HEAD):
        path = tmp_path / "user01_led.aedat"
        path.write_bytes(event_files.aedat3(event_files.packet(EVENTS)))
        path.with_name("user01_led_labels.csv").write_text(head + rows)
        return path

    return run


def test_a_gesture_begins_with_its_start_and_ends_before_its_end(write):
    (first, one), (second, eleven) = read_gestures(write("1,10,30\n11,30,91\n"))
    assert (one, eleven) == (0, 10)
    assert first.tolist() == [(0, 1, 1, 1), (10, 2, 2, 0)]
    assert [(t + 30, *rest) for t, *rest in second.tolist()] == EVENTS[3:]


@pytest.mark.parametrize(
    ("rows", "head", "words"),
    [
        ("", HEAD, "and a row"),
        ("1,2,3\n", "label,start,end\n", "must have the columns"),
        ("1,2\n", HEAD, "line 2: a row must be three whole numbers"),
        ("1,10,30\n1,x,3\n", HEAD, "line 3: a row must be three whole numbers"),
        ("1,-2,3\n", HEAD, "three whole numbers"),
        ("1,2," + "9" * 5000 + "\n", HEAD, "three whole numbers"),
        ("0,10,30\n", HEAD, r"class must lie in 1\.\.11"),
        ("12,10,30\n", HEAD, r"class must lie in 1\.\.11"),
        ("1,30,10\n", HEAD, "start before end"),
        ("1,1000,2000\n", HEAD, r"must have an event of user01_led\.aedat"),
        ("1,10,30\n" * 200_000, HEAD, "at most"),
    ],
)
def test_a_damaged_table_is_refused_by_name(write, rows, head, words):
    with pytest.raises(DataError, match=rf"user01_led_labels\.csv.*{words}"):
        read_gestures(write(rows, head))


def test_a_table_that_is_absent_or_no_text_is_refused_by_name(write):
    path = write("1,10,30\n")
    path.with_name("user01_led_labels.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"labels\.csv must be a readable text file in UTF-8"):
        read_gestures(path)
    path.with_name("user01_led_labels.csv").unlink()
    with pytest.raises(DataError, match=r"labels\.csv must be a readable text file"):
        read_gestures(path)


def test_trials_are_the_lines_of_a_list(tmp_path):
    (tmp_path / "trials.txt").write_text("a.aedat\r\n\nb.aedat\n")
    assert read_trials(tmp_path / "trials.txt") == ["a.aedat", "b.aedat"]


@pytest.mark.parametrize("text", ["", "a.aedat\na.aedat\n", "../a.aedat\n", "/etc/passwd\n", "a.csv\n"])
def test_a_list_that_leads_elsewhere_is_refused(tmp_path, text):
    (tmp_path / "trials.txt").write_text(text)
    with pytest.raises(DataError, match=r"trials\.txt must list"):
        read_trials(tmp_path / "trials.txt")
