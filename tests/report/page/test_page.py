import json
import shutil
import sys
from html.parser import HTMLParser

import pytest

from spikewise.energy.measurement import measured_of
from spikewise.errors import DataError, MissingExtraError, ParameterError
from spikewise.price.analysis.companions import read_prices
from spikewise.price.cost import CostReport
from spikewise.price.platform import estimate
from spikewise.report.page import write_page
from spikewise.runs import Run
from spikewise.units import format_share, format_si
from spikewise.workflow.early_exit import price_exit
from spikewise.workload import Workload

_ACCURACIES = ("accuracy_full", "accuracy_exit", "accuracy_random_exit", "accuracy_truncated")


class Reader(HTMLParser):
    """Tags with their attributes, the charts' data, and the text that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.charts, self.texts = [], {}, []
        self._inside = ("", {})
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = self.tags[-1]

    def handle_endtag(self, tag):
        self._inside = ("", {})

    def handle_data(self, data):
        tag, attributes = self._inside
        if "data-for" in attributes:
            self.charts[attributes["data-for"]] = json.loads(data)
        elif tag not in ("script", "style") and data.strip():
            self.texts.append(" ".join(data.split()))

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


@pytest.fixture(scope="module")
def reader(page):
    return Reader(page.read_text(encoding="utf-8"))


@pytest.fixture
def copy(runs, tmp_path):
    """The STDP run in a folder of its own, to be damaged."""
    return Run.open(shutil.copytree(runs[0].path, tmp_path / runs[0].path.name))


def exit_of(run):
    (figures,) = run.record["metrics"]["exits"].values()
    return figures, CostReport.read(run.path / "exits" / figures["name"] / "cost.json")


def prices_of(run):
    figures, _ = exit_of(run)
    return read_prices(run.path / "exits" / figures["name"] / "cost.json")


def test_the_page_loads_nothing_from_elsewhere(reader):
    for attribute in ("src", "href", "srcset", "data", "poster", "action"):
        assert all(link.startswith(("data:", "#")) for link in reader.values(attribute))
    policy = next(a["content"] for tag, a in reader.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert not [a for tag, a in reader.tags if tag in ("iframe", "object", "embed", "base")]


def test_the_summary_shows_the_figures_of_run_json(reader, runs):
    for run in runs:
        figures, cost = exit_of(run)
        shown = [format_share(figures[key]) for key in _ACCURACIES]
        shown += [f"{figures['mean_steps']:.3g} of {figures['n_steps']}", format_share(cost.edp_saving)]
        low, nominal, high = (format_si(joules, "J") for joules in cost.band("energy_j"))
        shown += [nominal, f"{low} to {high}", run.path.name, cost.weakest_tag]
        n_validation = figures["calibration"]["n_samples"]
        shown += [f"heuristic, chosen on {n_validation} validation images", *cost.assumptions]
        full, stopped = (run.record["timings"][f"test_{which}_s ({figures['name']})"] for which in ("full", "exit"))
        shown += [f"{full / stopped:.1f} × faster" if stopped <= full else f"{stopped / full:.1f} × slower"]
        assert not [text for text in shown if text not in reader.texts]


def test_the_charts_hold_the_recorded_curves(reader, runs):
    for index, run in enumerate(runs, start=1):
        figures, cost = exit_of(run)
        static, _, control, chosen = reader.charts[f"run-{index}-accuracy-chart"]["data"]
        assert static["y"] == run.trace.accuracy_by_step().tolist()
        assert (chosen["x"], chosen["y"]) == ([figures["mean_steps"]], [figures["accuracy_exit"]])
        assert (control["x"], control["y"]) == ([figures["mean_steps"]], [figures["accuracy_random_exit"]])
        (bars,) = reader.charts[f"run-{index}-exit-1-histogram"]["data"]
        assert sum(bars["y"]) == figures["n_test"]
        assert f"run-{index}-exit-1-layers" in reader.charts
        assert len(reader.charts[f"run-{index}-exit-1-steps"]["data"][0]["y"]) == cost.n_steps + 1


def test_names_from_files_never_become_markup(page, reader):
    html = page.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert any("<script>alert(1)</script>" in text for text in reader.texts)  # shown, as text
    n_scripts = sum(tag == "script" for tag, _ in reader.tags)
    assert n_scripts == len(reader.charts) + 2


def test_the_page_can_be_read_without_seeing_and_navigated(reader):
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("h1") == 1
    assert all(attributes.get("alt") for tag, attributes in reader.tags if tag == "img")
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in reader.values("href") if link.startswith("#")} <= set(ids)
    assert all(attributes["aria-label"] for _, attributes in reader.tags if attributes.get("class") == "chart")


def test_only_a_network_of_images_shows_its_weights(reader):
    mosaics = [attributes for _, attributes in reader.tags if attributes.get("class") == "mosaic"]
    assert [mosaic["alt"] for mosaic in mosaics] == ["Learned weights of 16 neurons, one tile each"]


def test_an_stdp_network_shows_its_classes_and_what_it_mixes_up(reader):
    pictures = [attributes for _, attributes in reader.tags if attributes.get("class") == "picture"]
    assert [picture["alt"].split(" of ")[0] for picture in pictures] == ["Class", "Confusion matrix"]
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in pictures)


def test_a_run_without_a_trace_has_no_confusion_matrix(copy, tmp_path):
    (copy.path / "trace.npz").unlink()
    write_page([copy], tmp_path / "page.html")
    texts = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).texts
    assert "What the neurons stand for" in texts
    assert "What the network mixes up" not in texts


def test_equal_runs_give_equal_pages(runs, page, tmp_path):
    write_page(runs, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_a_run_without_exits_says_what_is_missing(deep, tmp_path):
    start, stop = deep
    run = start(tmp_path / "run")
    write_page([run], tmp_path / "page.html")
    found = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not found.charts
    assert any("not yet been stopped early" in text for text in found.texts)
    stop(run)
    write_page([run], tmp_path / "page.html")
    found = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert set(found.charts) == {"run-1-accuracy-chart", "run-1-exit-1-histogram"}
    assert any("has not been priced" in text for text in found.texts)


def test_the_curve_of_the_test_set_is_marked_as_context(reader):
    for chart in ("run-1-accuracy-chart", "run-2-accuracy-chart"):
        assert sum("not for choosing" in line["name"] for line in reader.charts[chart]["data"]) == 1


def test_a_reader_learns_what_the_edp_saving_is_worth(reader, runs):
    told = [text for text in reader.texts if "no independent evidence" in text]
    prices = [cost for run in runs for cost in prices_of(run)]
    assert len(told) == len(prices)
    for text, cost in zip(told, prices, strict=True):
        # Energy hardly depends on the data here, so the histogram alone gives the same saving.
        assert f"The EDP saving of {format_share(cost.edp_saving)} is" in text
        assert f"alone gives {format_share(cost.edp_saving)}" in text
    assert any("The measured speed-up and the EDP saving answer different questions" in text for text in reader.texts)


@pytest.mark.parametrize(("share", "is_warned"), [(0.1, False), (0.25, True), (None, False)])
def test_a_network_that_was_silent_while_it_learned_is_called_so(copy, tmp_path, share, is_warned):
    copy.update(metrics={"silent_share": share})
    write_page([copy], tmp_path / "page.html")
    texts = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).texts
    assert any("of the training images drew no spike" in text for text in texts) == (share is not None)
    assert any("the network was silent for 25.0 % of the images" in text for text in texts) == is_warned


@pytest.mark.parametrize("name", ["trace.npz", "model.safetensors", "exit.json", "cost.json", "gallery.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2"])
def test_a_damaged_file_is_named_and_leaves_the_old_page_alone(copy, tmp_path, name, content):
    damaged = next(copy.path.rglob(name))
    damaged.write_bytes(content)
    page = tmp_path / "page.html"
    page.write_text("old")
    with pytest.raises(DataError, match=r"[^.][.?] Delete it and run (the command|spikewise exit) again\.$") as caught:
        write_page([copy], page)
    assert str(caught.value).count(str(damaged)) == 1
    assert page.read_text() == "old"


def test_files_that_contradict_each_other_are_refused(copy, tmp_path):
    path = next(copy.path.rglob("exit.json"))
    figures = json.loads(path.read_text())
    path.write_text(json.dumps(figures | {"histogram": figures["histogram"][:-1]}))
    with pytest.raises(DataError, match="histogram"):
        write_page([copy], tmp_path / "page.html")
    path.write_text(json.dumps(figures | {"rule": {"kind": "coin"}}))
    with pytest.raises(DataError, match="exit rule"):
        write_page([copy], tmp_path / "page.html")
    counts = [figures["n_test"] + 1, *([0] * (figures["n_steps"] - 1))]
    path.write_text(json.dumps(figures | {"n_test": figures["n_test"] + 1, "histogram": counts}))
    with pytest.raises(DataError, match=r"trace\.npz"):
        write_page([copy], tmp_path / "page.html")


@pytest.mark.parametrize("package", ["jinja2", "plotly.offline"])
def test_a_missing_extra_is_named(runs, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"spikewise\[report\]"):
        write_page(runs, tmp_path / "page.html")


def test_a_calibrated_price_stands_beside_the_physical_one_with_bands(reader, runs):
    for run in runs:
        calibrated, physical = prices_of(run)
        assert (calibrated.platform, physical.platform) == ("rram-64-32nm", "rram-64-32nm-physical")
        for cost in (calibrated, physical):
            low, nominal, high = (format_si(joules, "J") for joules in cost.band("energy_j"))
            assert reader.texts.count(f"{low} to {high}") >= 2  # in the summary and where the cost is told
            assert reader.texts.count(nominal) >= 2
            low, _, high = cost.band("edp_saving")
            assert f"{100 * low:.1f} to {format_share(high)}" in reader.texts
            assert f"{format_share(low)} to {format_share(high)}" in reader.texts
    assert sum("neither should be quoted alone" in text for text in reader.texts) == len(runs)
    assert {"run-1-exit-1-layers-2", "run-1-exit-1-steps-2"} <= set(reader.charts)


def test_every_way_to_charge_what_is_done_once_is_shown(reader, runs):
    for run in runs:
        calibrated, physical = prices_of(run)
        assert len(calibrated.once_modes) > 1 >= len(physical.once_modes)
        for mode in calibrated.once_modes:
            assert format_share(mode.edp_saving) in reader.texts
            assert any(text.startswith(mode.mode) for text in reader.texts)
    assert sum("which work rram-64-32nm does once per image" in text for text in reader.texts) == len(runs)


def test_a_price_from_before_there_were_companions_is_still_shown(copy, tmp_path):
    folder = copy.path / "exits" / "drop-0.02"
    estimate(Workload.read(folder / "workload.json")).write(folder / "cost.json")
    del copy.record["measured"]
    copy._write()
    write_page([Run.open(copy.path)], tmp_path / "page.html")
    found = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Estimate for rram-64-32nm, layer by layer" in found.texts
    assert not any("rram-64-32nm-physical" in text for text in found.texts)
    assert any("made before runs kept what they took" in text for text in found.texts)


def test_joules_of_the_machine_are_shown_and_called_measured(deep, tmp_path, powercap):
    start, stop = deep
    run = start(tmp_path / "run")
    stop(run, powercap)
    price_exit(run, "drop-0.05", "rram-64-32nm")
    write_page([run], tmp_path / "page.html")
    found = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    taken = measured_of(run)["inference"]
    assert taken.joules_per_sample == pytest.approx(3.0 / 60)
    assert found.texts.count(format_si(3.0 / 60, "J")) == 4  # in full and with exit, in the summary and in the section
    assert format_si(taken.joules, "J") in found.texts
    assert any("RAPL (package-0)" in text for text in found.texts)
    assert not any("not measured:" in text for text in found.texts)
    assert "Measured: energy per image, with exit" in found.texts
    assert "Measured on the machine that made this run" in found.texts


def test_without_counters_the_page_says_so_and_watts_make_up_for_it(deep, tmp_path, no_counters):
    start, stop = deep
    run = start(tmp_path / "run")
    stop(run)
    write_page([run], tmp_path / "page.html")
    texts = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).texts
    assert texts.count("not measured") == 4
    assert any("offers no energy counters" in text for text in texts)
    assert any("--watts W" in text for text in texts)
    write_page([run], tmp_path / "page.html", watts=40)
    texts = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).texts
    assert "not measured" not in texts
    assert format_si(40 * measured_of(run)["inference"].seconds_per_sample, "J") in texts
    with pytest.raises(ParameterError, match="watts must be"):
        write_page([run], tmp_path / "page.html", watts=0)


def test_a_damaged_measurement_is_named(copy, tmp_path):
    copy.update(measured={"training": {"seconds": "long"}})
    with pytest.raises(DataError, match=r"measured\.training in run\.json must hold seconds"):
        write_page([copy], tmp_path / "page.html")


def test_a_page_needs_a_run(tmp_path):
    with pytest.raises(ParameterError, match="at least one run"):
        write_page([], tmp_path / "page.html")
