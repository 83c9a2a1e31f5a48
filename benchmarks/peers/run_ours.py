"""Our side of the comparison, through the public API alone.

``speed`` times ``STDPEncoder.fit`` after a small fit has loaded the compiled loops; ``accuracy`` times
``STDPClassifier.fit``, labelling included, on growing prefixes.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np

from spikewise.learn import STDPClassifier, STDPEncoder

_N_WARM = 100


def speed(request: dict) -> dict:
    """CPU time of learning from all images, spikes drawn on the way."""
    images = np.load(request["images"])[: request["n"]]
    settings = {key: request[key] for key in ("n_neurons", "n_steps", "rule")} | {"n_epochs": 1}
    STDPEncoder(**settings, random_state=request["seed"]).fit(images[:_N_WARM])
    began = time.process_time()
    STDPEncoder(**settings, random_state=request["seed"]).fit(images)
    return {
        "cpu_s": time.process_time() - began,
        "n": len(images),
        "versions": {name: version(name) for name in ("spikewise", "numpy", "numba")},
    }


def accuracy(request: dict) -> None:
    """A line per prefix: CPU time of learning and labelling, and accuracy on the validation images."""
    images, labels = np.load(request["images"]), np.load(request["labels"])
    validation = slice(len(images) - request["n_validation"], len(images))
    settings = {key: request[key] for key in ("n_neurons", "n_steps")} | {"n_epochs": 1}
    STDPClassifier(**settings, random_state=0).fit(images[:_N_WARM], labels[:_N_WARM])
    for n in request["prefixes"]:
        began = time.process_time()
        model = STDPClassifier(**settings, random_state=request["seed"]).fit(images[:n], labels[:n])
        cpu_s = time.process_time() - began
        reached = float(np.mean(model.predict(images[validation]) == labels[validation]))
        print(json.dumps({"n": n, "cpu_s": cpu_s, "accuracy": reached}), flush=True)
        if reached >= request["target"]:
            return


if __name__ == "__main__":
    REQUEST = json.loads(sys.argv[1])
    if REQUEST["task"] == "speed":
        print(json.dumps(speed(REQUEST)))
    else:
        accuracy(REQUEST)
