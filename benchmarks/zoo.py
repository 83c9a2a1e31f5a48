"""Train the networks of the zoo, each by one command, and put them beside the code with their cards.

A network that is there already in the folder of runs is not trained again, and one that was interrupted goes on, so the
benchmark may be begun as often as one likes. Every network gets three exit settings, chosen on validation images; the
test images are looked at once for each of them.

    python benchmarks/zoo.py [NAME ...] [--runs FOLDER] [--models FOLDER]
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from spikewise.workflow import publish
from spikewise.zoo import FOLDER

TWO = "torchrun --nproc-per-node 2 -m spikewise train --batch 128 --optimizer muon --lr 0.006 --threads 1"
COMMANDS = {
    "digits-vgg5": "spikewise train --data digits --model vgg5 --epochs 20 --threads 1",
    "mnist-vgg5": f"{TWO} --data mnist --model vgg5 --width 0.5 --growth 0.6 --epochs 10 --augment shift=2",
    "fashion-mnist-vgg7": (
        f"{TWO} --data fashion-mnist --model vgg7 --width 0.5 --v-threshold 0.5 --gamma 2 --growth 0.9 --epochs 16 "
        "--augment shift=2,flip"
    ),
    "cifar10-vgg7": (
        "torchrun --nproc-per-node 2 -m spikewise train --data cifar10 --model vgg7 --width 0.75 --v-threshold 0.5 "
        "--gamma 2 --growth 0.8 --epochs 32 --batch 128 --optimizer muon --lr 0.006 "
        "--augment shift=3,flip,cutout=8 --threads 1"
    ),
    "nmnist-vgg5": "spikewise train --data nmnist --model vgg5 --width 0.5 --epochs 40 --batch 32 --threads 1",
    "mnist-stdp400": "spikewise stdp --data mnist --neurons 400",
    "fashion-mnist-stdp400": "spikewise stdp --data fashion-mnist --neurons 400",
}
EXITS = ("--max-drop 0.002", "--max-drop 0.005", "--max-drop 0.01 --confidence 0.95")


def call(command, *more):
    """Run a command of this environment as a user would; its messages pass through."""
    program, *arguments = shlex.split(command)
    subprocess.run([Path(sys.executable).with_name(program), *arguments, *more], check=True)


def make(name, runs, models):
    """Train, stop and publish one network."""
    run = runs / name
    call(COMMANDS[name], "--out", str(run), "--resume")
    for asked in EXITS:
        call(f"spikewise exit {shlex.quote(str(run))} {asked}")
    return publish(run, name, COMMANDS[name], models)


def main():
    """Read the options, make the networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(COMMANDS)}; all if absent")
    parser.add_argument("--runs", type=Path, default=Path("runs/zoo"), help="where runs are kept")
    parser.add_argument("--models", type=Path, default=FOLDER, help="where the networks go")
    options = parser.parse_args()
    unknown = set(options.names) - set(COMMANDS)
    if unknown:
        parser.error(f"NAME must be one of {', '.join(COMMANDS)}; got {', '.join(sorted(unknown))}")
    for name in options.names or COMMANDS:
        Console().print(f"== {name}")
        card = make(name, options.runs, options.models)
        Console().print(f"{name}: {card.accuracy}, {card.n_parameters} weights")


if __name__ == "__main__":
    main()
