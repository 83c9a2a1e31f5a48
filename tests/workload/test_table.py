import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import DataError, ParameterError
from spikewise.price.imc.mapping import CrossbarArray, place
from spikewise.price.platform import estimate
from spikewise.workload import LayerShape, Workload, uniform_workload
from spikewise.workload.table import read_layer_table, read_workload

PROJECT = Path(__file__).parents[2]
GOLDEN = json.loads((PROJECT / "tests" / "golden" / "vgg9_mapping.json").read_text())
HEADER = "kind,in,out,kernel,stride,groups,height,width,rate\n"
CONV = "conv,3,8,3,1,1,16,16,0.5\n"


@pytest.fixture
def table(tmp_path):
    """Function that writes a table and reads it again."""
    numbers = itertools.count()

    def read(text, suffix=".csv", **arguments):
        path = tmp_path / f"net{next(numbers)}{suffix}"
        path.write_text(text, encoding="utf-8")
        return read_layer_table(path, **arguments)

    return read


@pytest.mark.parametrize("key", GOLDEN["entries"])
def test_the_vgg9_example_takes_the_counts_of_the_golden_file(key):
    first, *others = read_layer_table(PROJECT / "examples" / "vgg9.csv", weight_bits=4).layers
    assert (first.input_bits, first.once_per_inference) == (8, True)
    layers = [dataclasses.replace(first, input_bits=1), *others]  # SpikeSim counts spikes of one bit throughout
    placed = place(layers, CrossbarArray(n_rows=64, n_cols=64, cell_bits=4))
    expected = GOLDEN["entries"][key]["value"]
    if key == "n_pes":
        assert placed.n_pes.tolist() == expected
    elif key == "utilisation":
        used = (placed.utilisation * placed.n_crossbars).sum() / placed.n_crossbars.sum()
        assert used == pytest.approx(expected, rel=1e-12)
    else:
        found = getattr(placed, key) if hasattr(placed, key) else [getattr(layer, key) for layer in layers]
        assert sum(found) == expected


def test_the_vgg16_example_is_the_network_of_the_model_table():
    load = read_workload(PROJECT / "examples" / "vgg16.toml")
    assert (load.name, load.n_steps, load.n_samples, load.mean_steps) == ("vgg16", 4, 100, 1.46)
    assert [layer.out_channels for layer in load.layers] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6 + [10]
    assert {layer.weight_bits for layer in load.layers} == {4}
    first, *others, readout = load.layers
    assert (first.input_bits, first.once_per_inference) == (8, True)
    assert not any(layer.once_per_inference or layer.input_bits > 1 for layer in (*others, readout))
    assert load.activity[1].in_spikes == tuple(rate * 65536 for rate in (0.12, 0.15, 0.15, 0.15))
    assert load.activity[0].out_spikes == load.activity[1].in_spikes
    assert set(load.activity[-1].out_spikes) == {0.0}


def test_the_vgg16_example_has_the_shapes_that_the_model_is_recorded_with():
    torch = pytest.importorskip("torch")
    from spikewise.network import build_model, record_workload

    # A sixteenth of the channels, for speed; the classes stay.
    model = build_model("vgg16", (3, 32, 32), 10, width=1 / 16).eval()
    shapes = record_workload(model, torch.zeros(1, 3, 32, 32), 1).layers
    same = ("kind", "kernel", "stride", "out_height", "out_width", "once_per_inference")
    for found, wanted in zip(read_workload(PROJECT / "examples" / "vgg16.toml").layers, shapes, strict=True):
        assert [getattr(found, key) for key in same] == [getattr(wanted, key) for key in same]
        assert found.out_channels in (16 * wanted.out_channels, 10)
        assert found.in_channels in (16 * wanted.in_channels, 3)


def test_a_table_is_read_wherever_a_workload_is(tmp_path):
    for name in ("vgg9.csv", "vgg16.toml"):
        load = read_workload(PROJECT / "examples" / name)
        assert load == read_layer_table(PROJECT / "examples" / name)
        load.write(tmp_path / "workload.json")
        assert Workload.read(tmp_path / "workload.json") == load
        assert estimate(load).energy_j > 0


def test_both_forms_of_a_table_are_the_same_workload(table):
    csv = table(
        "kind,in,out,kernel,height,width,rate,name,weight_bits,once_per_inference\n"
        "Conv,3,8,3x5,16,12,0.5;0.25,stem,4,yes\n"
        "linear,1536,10,,,,0.125,,,\n"
    )
    toml = table(
        'name = "net0"\n'
        '[[layer]]\nkind = "conv"\nin = 3\nout = 8\nkernel = [3, 5]\nheight = 16\nwidth = 12\nrate = [0.5, 0.25]\n'
        'name = "stem"\nweight_bits = 4\nonce_per_inference = true\n'
        '[[layer]]\nkind = "linear"\nin = 1536\nout = 10\nrate = 0.125\n',
        ".toml",
    )
    assert csv == toml
    assert [layer.name for layer in csv.layers] == ["stem", "linear2"]
    assert (csv.layers[0].kernel, csv.layers[0].weight_bits, csv.layers[1].weight_bits) == ((3, 5), 4, 8)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=1, max_size=5),
    st.integers(1, 300),
    st.integers(1, 4),
)
def test_a_chain_of_one_rate_each_is_a_uniform_workload(tmp_path_factory, rows, n_out, n_steps):
    sizes = [size for size, _ in rows] + [n_out]
    path = tmp_path_factory.getbasetemp() / "chain.csv"
    lines = [f"linear,{a},{b},{rate!r}" for a, b, (_, rate) in zip(sizes, sizes[1:], rows, strict=False)]
    path.write_text("\n".join(["kind,in,out,rate", *lines]))
    layers = [LayerShape(f"linear{n}", "linear", a, b) for n, (a, b) in enumerate(itertools.pairwise(sizes), 1)]
    wanted = uniform_workload("chain", layers, n_steps, [rate for _, rate in rows])
    assert read_layer_table(path, n_steps=n_steps) == wanted


def test_blank_lines_comments_spaces_and_a_byte_order_mark_change_nothing(table):
    plain = table(HEADER + CONV)
    messy = table("\ufeff# mine\n\n Kind , IN" + HEADER[7:] + "\n,,,,,,,,\n  # a comment, with a comma\n" + CONV)
    assert dataclasses.replace(messy, name="net0") == plain


def test_steps_come_from_the_argument_the_file_the_rates_or_the_histogram(table):
    top = '[[layer]]\nkind = "linear"\nin = 4\nout = 2\nrate = '
    assert table(top + "0.5", ".toml").n_steps == 1
    assert table(top + "[0.5, 0.25, 0.0]", ".toml").n_steps == 3
    assert table("steps = 2\n" + top + "0.5", ".toml").n_steps == 2
    assert table("steps = 2\n" + top + "0.5", ".toml", n_steps=5).n_steps == 5
    assert table("exit_histogram = [3, 1]\n" + top + "0.5", ".toml").n_alive == (4, 1)
    own = table("samples = 4\nexit_histogram = [3, 1]\n" + top + "0.5", ".toml", exit_histogram=(0, 2))
    assert (own.exit_histogram, own.n_samples) == ((0, 2), 2)
    assert table("final_rate = 0.5\n" + top + "0.5", ".toml").activity[0].out_spikes == (1.0,)
    assert table(top + "0.5", ".toml", final_rate=1.0).activity[0].out_spikes == (2.0,)


def test_settings_may_stand_above_the_header(table):
    """As in TOML; a spreadsheet pads each line with commas."""
    text = "Name,vgg,,,,,,,\nsteps,4\nexit_histogram,75;12;5;8,,\nsamples,100\nfinal_rate,0.25\n"
    load = table(text + HEADER + CONV)
    assert (load.name, load.n_steps, load.exit_histogram, load.n_samples) == ("vgg", 4, (75, 12, 5, 8), 100)
    assert load.activity[0].out_spikes == (0.25 * load.layers[0].n_neurons,) * 4
    assert table("steps,4\n" + HEADER + CONV, n_steps=2).n_steps == 2
    assert table("samples,5\n" + HEADER + CONV).n_samples == 5
    named = table("name,mine\nname,kind,in,out,rate\nfirst,linear,4,2,1\n")
    assert (named.name, named.layers[0].name) == ("mine", "first")


def test_a_shortcut_names_the_layer_that_it_reads(table):
    load = table(
        "kind,in,out,kernel,stride,height,width,rate,name,after\n"
        "conv,3,16,3,1,8,8,1,stem,\n"
        "conv,16,32,3,2,4,4,0.5,a,\n"
        "conv,32,32,3,1,4,4,0.25,b,\n"
        "conv,16,32,1,2,4,4,0.5,shortcut,stem\n"
        "conv,32,32,3,1,4,4,0.125,c,\n"
    )
    rates = [busy.out_spikes[0] / layer.n_neurons for layer, busy in zip(load.layers, load.activity, strict=True)]
    assert rates == [0.5, 0.25, 0.125, 0.125, 0.0]


def test_grouped_depthwise_and_strided_layers_can_be_written(table):
    load = table(HEADER + "conv,8,8,3,1,8,16,16,1\nconv,8,16,1x3,2x1,2,8,16,0.5\n")
    assert (load.layers[0].n_weights, load.layers[1].n_weights) == (72, 4 * 3 * 16)
    assert (load.layers[1].in_height, load.layers[1].in_width) == (16, 16)


# What is written below the header HEADER + CONV, and what the message must say.
BAD_ROWS = {
    "conv,4,8,3,1,1,16,16,0.1": r"line 3: input channels must equal the 8 channels of the output of 'conv1'; got 4",
    "conv,8,8,3,1,1,320,16,0.1": r"line 3: height must be at most 18, .* got 320. Give the size",
    "linear,12,10,,,,,,0.1": r"line 3: inputs must be the 8 channels .* times the positions .* 16 x 16 .* got 12. Take",
    "linear,4096,10,,,,,,0.1": r"line 3: inputs must be the 8 channels .* got 4096",
    "conv,8,8,3,1,1,16,16,1.5": r"line 3: rate must be a number in \[0, 1\].* got '1.5'. Write a fraction",
    "conv,8,8,3,1,1,16,16,-0.1": r"line 3: rate .* got '-0.1'",
    "conv,8,8,3,1,1,16,16,nan": r"line 3: rate .* got 'nan'",
    "conv,8,8,3,1,1,16,16,0.1;;0.2": r"line 3: rate .* got an empty cell",
    "conv,8,8,3,1,1,16,16,": r"line 3: rate .* got an empty cell",
    "conv,8,8,3,1,1,16,16,much": r"line 3: rate .* got 'much'",
    "conv,8,8,3,1,1,16,16": r"line 3 must have 9 cells, .* got 8. Separate",
    "conv,8,8,3,1,1,16,16,0,1": r"line 3 must have 9 cells, .* got 10",
    "pool,8,8,3,1,1,16,16,0.1": r"line 3: kind must be conv or linear; got 'pool'",
    "conv,8,8,,1,1,16,16,0.1": r"line 3: kernel must be a whole number in 1..16777216; got an empty cell. Write one",
    "conv,8,8,3x3x3,1,1,16,16,0.1": r"line 3: kernel must be one number, or height x width; got '3x3x3'",
    "conv,8,8,0,1,1,16,16,0.1": r"line 3: kernel must be a whole number .* got '0'",
    "conv,8,8,3,1,1,,16,0.1": r"line 3: height must be a whole number .* got an empty cell",
    "conv,8,8,3,1.5,1,16,16,0.1": r"line 3: stride must be a whole number .* got '1.5'",
    "conv,8,8,3,1,3,16,16,0.1": r"line 3: .*groups must divide both channel counts; got 3 groups",
    "conv,8," + "9" * 5000 + ",3,1,1,16,16,0.1": r"line 3: out must be a whole number .* got '999",
    "conv,8,16777216,999,1,1,16,16,0.1": r"line 3: layer 'conv2' must take at most 2\^50 multiply-additions",
    "linear,2048,10,3,,,,,0.1": r"line 3: kernel, stride, height and width of a linear layer must be 1",
    'conv,8,"8,3,1,1,16,16,0.1': r"line 3 must be CSV; .* Mend this line",
}


@pytest.mark.parametrize(("row", "words"), BAD_ROWS.items(), ids=[row[:32] for row in BAD_ROWS])
def test_a_wrong_row_is_named_with_line_and_column(row, words, table):
    with pytest.raises(DataError, match=words) as caught:
        table(HEADER + CONV + row + "\n")
    assert str(caught.value).count("net0.csv") == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin with a header; got an empty table. Write kind,in,out"),
        (HEADER, "must describe at least one layer; got none. Add a line"),
        ("kind,in,out\nlinear,4,2\n", "line 1 must have the columns kind, in, out, rate; 'rate' is missing"),
        (HEADER.replace("kernel", "kernal") + CONV, "every column must be one of .* Did you mean 'kernel'"),
        (HEADER.replace("kernel", "rate") + CONV, "line 1 must name each column once; got 'rate' twice"),
        (HEADER.replace(",", ";") + CONV, "must separate its columns by commas"),
        (HEADER + CONV + "conv,8,8,3,1,1,16,16,0.1;0.2\nconv,8,8,3,1,1,16,16,0.1;0.2;0.3", "line 4: .* got 3. Give"),
        ("kind,in,out,rate,name\nlinear,4,4,1,a\nlinear,4,4,1,a\n", "line 3: names must be unique; got 'a', as in .*2"),
        ("kind,in,out,rate,after\nlinear,4,4,1,b\n", "line 2: after must name an earlier layer; got 'b'"),
        ("kind,in,out,rate,weight_bits\nlinear,4,4,1,0\n", "line 2: weight_bits must be a whole number in 1..32; got"),
        ("kind,in,out,rate,state_bits\nlinear,4,4,1,40\n", "line 2: state_bits must be a whole number in 1..32; got"),
        ("kind,in,out,rate,lateral\nlinear,4,4,1,some\n", "line 2: .*lateral must be none, broadcast or matrix"),
        ("kind,in,out,rate,once_per_inference\nlinear,4,4,1,2\n", "once_per_inference must be true or false; got '2'"),
        (
            "kind,in,out,rate\nlinear,4,9,1\nlinear,8,2,1\n",
            "line 3: input channels must equal the 9 channels of the output",
        ),
        ("a\0b", "must be text; got zero bytes"),
        ("steps\n" + HEADER + CONV, r"line 1 must give steps one value; got \[\]. Write steps,VALUE"),
        ("steps,4,5\n" + HEADER + CONV, "line 1 must give steps one value"),
        ("steps,four\n" + HEADER + CONV, "steps must be a whole number in .* got 'four'"),
        ("exit_histogram,3;x\n" + HEADER + CONV, "exit_histogram must hold numbers of samples"),
        ("step,4\n" + HEADER + CONV, "every column must be one of .* got 'step'"),
    ],
)
def test_a_table_of_wrong_form_gives_one_clear_error(text, words, table):
    with pytest.raises(DataError, match=words):
        table(text)


LINEAR = '[[layer]]\nkind = "linear"\nin = 4\nout = 2\nrate = 0.5\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"must describe at least one layer; got none. Add a \[\[layer\]\] table"),
        ("layer = []\n", "must describe at least one layer"),
        ("layer = 3\n", r"layer must be a list of tables; got one value. Write \[\[layer\]\]"),
        ("[layer]\nin = 3\n", "layer must be a list of tables"),
        ("step = 4\n" + LINEAR, "every key must be one of .* got 'step'. Did you mean 'steps'"),
        (LINEAR + "kernl = 3\n", "layer 1: every key must be one of .* got 'kernl'. Did you mean 'kernel'"),
        ('[[layer]]\nkind = "linear"\nin = 4\nrate = 1\n', "layer 1 must have the keys .* 'out' is missing. Add it"),
        ("steps = 0\n" + LINEAR, "steps must be a whole number in 1..10000; got 0"),
        ("steps = true\n" + LINEAR, "steps must be a whole number"),
        ("name = 3\n" + LINEAR, "name must be text; got 3"),
        ("exit_histogram = []\n" + LINEAR, "exit_histogram must hold one count per timestep; got .*Leave it out"),
        ("exit_histogram = [0, 0]\n" + LINEAR, "exit_histogram must count at least one sample"),
        ("exit_histogram = [0.75, 0.25]\n" + LINEAR, "exit_histogram must hold numbers of samples, .* Multiply shares"),
        ("exit_histogram = [3, -1]\n" + LINEAR, "exit_histogram must hold numbers of samples"),
        ('exit_histogram = "31"\n' + LINEAR, "exit_histogram must hold one count per timestep"),
        (
            "steps = 3\nexit_histogram = [3, 1]\n" + LINEAR,
            r"exit_histogram must hold one count per timestep \(3\); got 2",
        ),
        ("samples = 5\nexit_histogram = [3, 1]\n" + LINEAR, "must sum to the 5 samples; got 4. Mend one of the two"),
        ("samples = 0\n" + LINEAR, "samples must be a whole number"),
        ("final_rate = 2\n" + LINEAR, r"final_rate must be a number in \[0, 1\]"),
        (LINEAR.replace("0.5", "[]"), "layer 1: rate must hold at least one number"),
        (LINEAR.replace("0.5", "true"), "layer 1: rate must be a number"),
        (LINEAR.replace("0.5", "[[0.5]]"), "layer 1: rate must be a number"),
        (LINEAR.replace("0.5", "nan"), "layer 1: rate must be a number"),
        (LINEAR.replace("4", "4.0"), "layer 1: in must be a whole number .* got 4.0"),
        (LINEAR.replace('"linear"', "3"), "layer 1: kind must be conv or linear; got 3"),
        (LINEAR + "name = 3\n", "layer 1: name must be text"),
        (LINEAR + "after = 3\n", "layer 1: after must name an earlier layer"),
        (LINEAR + "kernel = true\n", "layer 1: kernel must be a whole number"),
        ("name = \n" + LINEAR, "must be TOML; .* line 1"),
        ("x = " + "[" * 100_000, "must be TOML; it is nested too deeply"),
        ("steps = " + "9" * 5000 + "\n" + LINEAR, "must be TOML|steps must be"),
    ],
)
def test_a_wrong_toml_table_gives_one_clear_error(text, words, table):
    with pytest.raises(DataError, match=words) as caught:
        table(text, ".toml")
    assert str(caught.value).count("net0.toml") == 1


def test_impossible_arguments_are_refused(table):
    with pytest.raises(ParameterError, match=r"weight_bits must lie in 1..32"):
        table(HEADER + CONV, weight_bits=40)
    with pytest.raises(ParameterError, match=r"input_bits must lie in 1..32"):
        table(HEADER + CONV, input_bits=0)
    with pytest.raises(DataError, match="steps must be a whole number"):
        table(HEADER + CONV, n_steps=0)
    with pytest.raises(DataError, match="exit_histogram must hold one count"):
        table(HEADER + CONV, exit_histogram=())


@pytest.mark.parametrize(
    "content", [b"\xff\xfek\x00i\x00", b"kind,in,out,rate,name\nlinear,4,2,1,\xe4\n", bytes(range(256))]
)
def test_other_encodings_and_binary_garbage_are_named(content, tmp_path):
    for name in ("net.csv", "net.toml"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="must be a readable layer table in UTF-8; byte"):
            read_workload(tmp_path / name)


def test_a_huge_absent_or_oddly_named_table_is_refused(tmp_path):
    path = tmp_path / "net.csv"
    with path.open("wb") as file:
        file.truncate(2 * 2**30)  # sparse: it takes no space
    with pytest.raises(DataError, match="at most 16,777,216 bytes"):
        read_workload(path)
    with pytest.raises(DataError, match="must be a readable layer table; No such file"):
        read_workload(tmp_path / "absent.toml")
    with pytest.raises(DataError, match="must be a readable layer table"):
        read_workload((tmp_path / "folder.csv").mkdir() or tmp_path / "folder.csv")
    with pytest.raises(DataError, match=r"ends in .csv or .toml"):
        read_layer_table(tmp_path / "net.xlsx")


def test_too_many_layers_times_timesteps_are_refused(table):
    rows = "linear,4,4,0.5\n" * 500
    with pytest.raises(DataError, match=r"layers times timesteps must be at most .* got 500 x 10000\. Merge"):
        table("kind,in,out,rate\n" + rows, n_steps=10_000)


@given(st.text(max_size=200))
def test_any_text_is_a_workload_or_one_clear_error(tmp_path_factory, text):
    for suffix, start in ((".csv", HEADER + CONV), (".toml", LINEAR)):
        path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
        path.write_bytes((start + text).encode("utf-8", "replace"))
        try:
            assert read_workload(path).layers
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
