"""Options are made from settings: one flag per field, a file of the same fields, and the same run by either."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikewise._choices import Bits, Rounding
from spikewise._validation import bare
from spikewise.cli.app import application, run
from spikewise.cli.exit import one_target
from spikewise.cli.options import Asked, Spelled, fields_of
from spikewise.cli.toml import as_toml, value_in_toml
from spikewise.cli.train import customary
from spikewise.data.augmentation import Augmentation
from spikewise.data.binning import Binning
from spikewise.errors import DataError, ParameterError
from spikewise.runs.results import Page
from spikewise.workflow import (
    DemoSettings,
    ExitSettings,
    SearchSettings,
    ShrinkSettings,
    STDPSettings,
    SweepSettings,
    TrainSettings,
)

COMMANDS = {
    "train": TrainSettings, "stdp": STDPSettings, "exit": ExitSettings, "shrink": ShrinkSettings,
    "search": SearchSettings, "demo": DemoSettings, "sweep": SweepSettings,
}  # fmt: skip
ASKED = {
    name: Asked(
        name, model, importlib.import_module(f"spikewise.cli.{name}").SPELLED,
        {"exit": one_target, "train": customary}.get(name),
    )
    for name, model in COMMANDS.items()
}  # fmt: skip
FLAGS = {
    "train": "--data cifar10 --model vgg5 --width 0.5 --v-threshold 0.7 --decay 0.25 --reset soft --surrogate dspike "
    "--gamma 2 --norm threshold --pooling average --bin count,size=48 --epochs 3 --batch 32 --steps 6 --min-steps 2 "
    "--growth 0.5 --optimizer sgd --lr 1e-05 --momentum 0.8 --weight-decay 0.003 --schedule cosine --warmup 0.1 "
    "--clip 1.5 --ema 0.9 --loss per_step --regularization 0.1 --distill 0.2 --temperature 3 --accumulate sum "
    "--label-smoothing 0.1 --augment shift=2,flip,cutout=4,mixup=0.3 --amp float32 --device cpu --seed 7 --threads 2 "
    "--max-drop 0.01 --platform digital-45nm",
    "stdp": "--data mnist --neurons 400 --rule first_spike --bits float --rounding nearest --steps 100 --epochs 2 "
    "--batch 8 --decoder votes --max-drop 0.02 --platform digital-45nm --seed 3 --limit 500",
    "exit": "--max-drop 0.02 --platform digital-45nm --confidence 0.9 --form harm --conditional --rule margin "
    "--temperature",
    "shrink": "--bits 8,4 --membrane 12 --scale power2 --finetune --epochs 3 --lr 0.001 --max-drop 0.02 "
    "--platform digital-45nm --seed 2",
    "search": "--data mnist --neurons 100,200 --bits 4 --steps 50,100 --rules lean,fspinn --max-memory 200kB "
    "--max-energy 20uJ --max-latency 5ms --min-accuracy 0.9 --platform rram-64-32nm --trials 7 --strategy sample "
    "--seed 5 --limit 100",
    "demo": "--data mnist --model vgg7 --width 0.5 --steps 3 --epochs 2 --neurons 50 --max-drop-deep 0.01 "
    "--max-drop-stdp 0.02 --platform digital-45nm --seed 1",
    "sweep": "--bits 8,2 --platform digital-45nm --platform mine.toml --vary mapping.adc_bits=4,6 "
    "--vary mapping.sign=count --max-drop 0.02 --max-memory 200kB --max-energy 20uJ --max-latency 5ms "
    "--min-accuracy 0.9 --images 100",
}  # fmt: skip
# Targets exclude each other, and stochastic rounding excludes fine-tuning.
LEFT = {"exit": {"max_steps", "max_energy_j", "max_edp_js"}, "shrink": {"rounding"}}


def params_of(command):
    return {param.name: param for param in typer.main.get_command(application()).commands[command].params}


def line(command, *flags):
    """A command as it would be typed; of some the folder of a run is the first word."""
    return [command, *(["RUN"] if command in ("exit", "shrink", "sweep") else []), *flags]


def printed(capsys, *arguments):
    """What the command prints as settings, and nothing else."""
    assert run([*arguments, "--print-config"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def leaves(table, above=()):
    """Dotted names of all values of a TOML table."""
    for key, value in table.items():
        yield from leaves(value, (*above, key)) if isinstance(value, dict) else [(".".join((*above, key)), value)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_field_has_one_flag_with_its_default_and_its_description(command):
    asked, params = ASKED[command], params_of(command)
    usual = asked.model() if command != "exit" else asked.model(max_drop=0.005)
    flags = [flag for param in params.values() for flag in (*param.opts, *param.secondary_opts)]
    assert len(flags) == len(set(flags))
    fields = list(fields_of(asked.model, asked.spelled))
    assert len({path[-1] for path, _ in fields}) == len(fields)
    for (*above, name), info in fields:
        param, holder = params[name], asked.model() if command != "exit" else usual
        for key in above:
            holder = getattr(holder, key)
        read = asked.spelled[name].read if name in asked.spelled else None
        assert param.help == info.description
        assert len(param.opts) == 1
        assert param.secondary_opts == ([f"--no{param.opts[0][1:]}"] if bare(info.annotation) is bool else [])
        default = read(param.default) if read and param.default is not None else param.default
        if name not in asked.spelled or not asked.spelled[name].is_repeated:
            assert default == {"augment": "auto"}.get(name, info.default)
        if get_origin(bare(info.annotation)) is Literal:
            assert param.metavar.split("|") == list(get_args(bare(info.annotation)))
    assert asked.settings({}, None) == usual


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_that_is_no_field_is_in_no_settings(command):
    """A spelling of a field that is gone would be forgotten in the table for ever."""
    asked = ASKED[command]
    inside = {*Binning.model_fields, *Augmentation.model_fields} if command == "train" else set()
    assert set(asked.spelled) <= set(asked.fields) | inside


@pytest.mark.parametrize("command", COMMANDS)
def test_printed_settings_ask_for_the_same(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, *line(command, *FLAGS[command].split()))
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.toml").write_text(text)
    assert printed(capsys, *line(command, "--config", "a.toml")) == text
    usual, chosen = (dict(leaves(tomllib.loads(each))) for each in (printed(capsys, *line(command)), text))
    same = {name for name, value in usual.items() if name != "command" and chosen.get(name) == value}
    assert same <= LEFT.get(command, set())
    given = {path[-1] for path, _ in ASKED[command].fields.values()} - LEFT.get(command, set())
    assert given <= {part for name in chosen for part in name.split(".")}


def a_value(info):
    """A strategy for the values of a field."""
    kind = bare(info.annotation)
    limits = {
        bound: getattr(each, bound)
        for each in info.metadata
        for bound in ("ge", "gt", "le", "lt")
        if hasattr(each, bound)
    }
    low, high = limits.get("ge", limits.get("gt", 0)), limits.get("le", limits.get("lt", 10**6))
    some = {
        int: st.integers(low, high), float: st.floats(low, high), bool: st.booleans(), str: st.text(),
        Bits: st.none() | st.just("auto") | st.integers(1, 8),
        Binning: st.builds(Binning, by=st.just("count"), size=st.none() | st.just((3, 4))),
        Augmentation: st.builds(Augmentation, max_shift=st.integers(0, 64), flip=st.booleans()),
        tuple[int, ...] | dict[str, int]: st.lists(st.integers(2, 16), min_size=1).map(tuple)
        | st.dictionaries(st.text(), st.integers(2, 16), min_size=1),
        dict[str, tuple[Any, ...]]: st.dictionaries(
            st.text(), st.lists(st.integers() | st.text() | st.floats(0, 1)).map(tuple)
        ),
    }  # fmt: skip
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        item = st.integers(1, 8) if bare(get_args(kind)[0]) is int else st.text()
        return st.lists(item, min_size=1).map(tuple)
    return some[kind]


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_settings_come_back_from_their_file(command, data, tmp_path_factory):
    asked = ASKED[command]
    raw = {}
    for path, info in asked.fields.values():
        if data.draw(st.booleans()):
            place = raw
            for key in path[:-1]:
                place = place.setdefault(key, {})
            place[path[-1]] = data.draw(a_value(info))
    try:
        meant = asked.model(**raw)
    except ValidationError:
        return
    file = tmp_path_factory.mktemp("any") / "any.toml"
    file.write_text(asked.file_of(meant))
    assert asked.settings({}, file) == meant


def test_flags_win_over_the_file(tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text('data = "mnist"\n[fit]\nepochs = 3\nseed = 4\n[fit.augment]\nflip = true\n')
    found = tomllib.loads(printed(capsys, "train", "--config", str(file), "--epochs", "16", "--data", "cifar10"))
    assert (found["data"], found["fit"]["epochs"], found["fit"]["seed"]) == ("cifar10", 16, 4)
    assert found["fit"]["augment"] == {"max_shift": 0, "flip": True, "cutout": 0, "mixup": 0.0}
    file.write_text("finetune = true\nepochs = 3\nbits = [8, 4]\n")
    found = tomllib.loads(printed(capsys, "shrink", "RUN", "--config", str(file), "--bits", "conv1=8,rest=2"))
    assert (found["finetune"], found["bits"]) == (True, {"conv1": 8, "rest": 2})
    assert run(["shrink", "RUN", "--config", str(file), "--no-finetune", "--print-config"]) == 2
    assert "--epochs must be left out without finetune; got 3." in capsys.readouterr().err
    file.write_text("max_drop = 0.02\nrule = 'margin'\n")
    found = tomllib.loads(printed(capsys, "exit", "RUN", "--config", str(file), "--max-steps", "2"))
    assert ("max_drop" in found, found["max_steps"], found["rule"]) == (False, 2.0, "margin")


def test_a_flag_may_complete_what_a_file_began(tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text("[fit]\nregularization = 0.1\n")
    assert "per_step" in printed(capsys, "train", "--config", str(file), "--loss", "per_step")
    assert run(["train", "--config", str(file), "--print-config"]) == 2
    assert f"{file}: fit: regularization must be 0 with the loss cumulative; got 0.1." in capsys.readouterr().err


def test_a_file_may_say_it_in_the_words_of_the_command_line(tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text('data = "cifar10"\nbinning = "count,size=48"\n[fit]\naugment = "auto"\n')
    found = tomllib.loads(printed(capsys, "train", "--config", str(file)))
    assert (found["fit"]["augment"]["max_shift"], found["binning"]["size"]) == (4, [48, 48])
    file.write_text('[budget]\nmemory_bits = "200kB"\n')
    assert tomllib.loads(printed(capsys, "search", "--config", str(file)))["budget"] == {"memory_bits": 1.6e6}


@pytest.mark.parametrize(
    ("command", "text", "words"),
    [
        ("train", "data = ", "a.toml must be a readable TOML file"),
        ("train", "[fit]\nepoch = 3", "a.toml: every key of fit must be one of"),
        ("train", "[fit]\nepoch = 3", "got 'epoch'. Did you mean 'epochs'?"),
        ("train", "n_neurons = 3", "a.toml: every key must be one of binning, data, fit, max_drop"),
        ("train", "[fit]\nepochs = 0", "a.toml: fit.epochs must be at least 1; got 0."),
        ("train", "[fit]\nepochs = 'many'", "a.toml: fit.epochs must be a whole number; got 'many'."),
        ("train", "[fit]\nepochs = true", "a.toml: fit.epochs must be a whole number; got True."),
        ("train", "[fit]\nepochs = '3'", "a.toml: fit.epochs must be a whole number; got '3'."),
        ("train", "[fit]\nlr = inf", "a.toml: fit.lr must be a finite number; got inf."),
        ("train", "fit = 3", "a.toml: fit must be a table; got 3."),
        ("train", "data = 3", "a.toml: data must be text; got 3."),
        ("train", "[network]\nreset = 'half'", "a.toml: network.reset must be one of hard, soft; got 'half'."),
        ("train", "[fit]\naugment = 'rotate'", "a.toml: --augment must be auto, none"),
        ("train", "[fit.augment]\nmax_shift = -1", "a.toml: fit.augment.max_shift must be at least 0; got -1."),
        ("train", 'command = "stdp"', "a.toml must hold settings of spikewise train; got those of 'stdp'."),
        ("stdp", "n_bits = 'few'", "a.toml: --bits must be auto, float or a whole number in 1..8; got 'few'."),
        ("stdp", "seed = 4294967296", "a.toml: seed must be below 4294967296; got 4294967296."),
        ("search", "[space]\nn_bits = [4, 9]", "a.toml: space.n_bits must be at most 8; got 9."),
        ("search", "[space]\nrule = []", "a.toml: space.rule must hold at least 1; got ()."),
        ("exit", "max_drop = 0.1\nmax_steps = 2", "a.toml: exactly one of max_drop, max_steps"),
        ("shrink", "bits = ['8']", "a.toml: bits"),
        ("demo", "[network]", "a.toml: every key must be one of data, epochs"),
    ],
)
def test_a_wrong_file_is_one_clear_line_and_exit_code_2(command, text, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(text)
    assert run(line(command, "--config", "a.toml")) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "bytes", "large"])
def test_what_is_no_file_of_settings_is_named(kind, tmp_path, capsys):
    file = tmp_path / kind
    {
        "absent": lambda: None, "folder": file.mkdir, "pipe": lambda: os.mkfifo(file),
        "bytes": lambda: file.write_bytes(b"data = '\xff'"), "large": lambda: file.write_text("#" * 2**21),
    }[kind]()  # fmt: skip
    assert run(["train", "--config", str(file)]) == 2
    shown = capsys.readouterr()
    assert str(file) in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""


def test_a_deep_run_by_flags_and_one_by_their_file_are_the_same_bits(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    from spikewise.runs import Run

    monkeypatch.setattr("spikewise.workflow.train.page_of", lambda run, watts, *more: Page(None, [*more]))
    small = ["--model", "vgg5", "--width", "0.2", "--epochs", "1", "--threads", "1"]
    flags = ["train", "--data", "digits", *small, "--seed", "3"]
    (tmp_path / "a.toml").write_text(printed(capsys, *flags))
    assert run([*flags, "--out", str(tmp_path / "A")]) == 0
    capsys.readouterr()
    assert run(["train", "--config", str(tmp_path / "a.toml"), "--out", str(tmp_path / "B"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    one, other = (Run.open(tmp_path / name).record for name in "AB")
    assert (one["settings"], one["seed"], one["metrics"]) == (other["settings"], other["seed"], other["metrics"])
    assert (tmp_path / "A/model.safetensors").read_bytes() == (tmp_path / "B/model.safetensors").read_bytes()
    assert "fit" not in found["settings"]


def test_the_file_in_the_documentation_is_one():
    page = (Path(__file__).parents[2] / "docs" / "concepts" / "runs.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert customary(raw := tomllib.loads(text), {}) is None
    assert raw.pop("command") == "train"
    assert TrainSettings(**raw).fit.augment.max_shift == 4


def test_printing_needs_no_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    for command in COMMANDS:
        assert printed(capsys, *line(command)).startswith(f'command = "{command}"\n')


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom spikewise.cli.app import run\n"
        "for words in (['--help'], ['train', '--help'], ['stdp', '--help'], ['search', '--help']): run(words)\n"
        "print({'torch', 'numba', 'numpy', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    n_bits: Bits = Field("auto", description="Bits.")
    rounding: Rounding = Field("nearest", description="How.")


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field("a", description="Name.")
    inner: Inner = Field(Inner(), description="Inside.")
    limit: int | None = Field(None, description="Most.")


def test_a_file_of_settings_is_written_like_this():
    text = as_toml(Outer(inner=Inner(n_bits=None)), {"command": "try"}, {"n_bits": "float"})
    assert text == (
        'command = "try"\n\n# Name.\nname = "a"\n# Most.\n# limit =\n\n# Inside.\n[inner]\n'
        '# Bits.\nn_bits = "float"\n# How.\nrounding = "nearest"\n'
    )


def test_a_fault_names_the_flag_and_a_file_its_key(tmp_path):
    asked = Asked("try", Outer, {"n_bits": Spelled("--bits", lambda word: word)})
    with pytest.raises(ParameterError, match=r"^--rounding must be one of .*; got 'up'"):
        asked.settings({"rounding": "up"}, None)
    file = tmp_path / "a.toml"
    file.write_text("[inner]\nrounding = 'up'")
    with pytest.raises(DataError, match=r"a\.toml: inner\.rounding must be one of"):
        asked.settings({}, file)


@given(st.recursive(
    st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner, min_size=1),
))  # fmt: skip
def test_a_value_comes_back_from_toml(value):
    assert tomllib.loads(f"value = {value_in_toml(value)}") == {"value": value}


def test_text_that_is_no_text_is_refused():
    with pytest.raises(ParameterError, match="must be Unicode"):
        value_in_toml("caf\udce9")
