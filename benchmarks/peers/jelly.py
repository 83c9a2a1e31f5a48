"""SpikingJelly's neurons as both benchmarks of deep networks take them; imported in its own environment alone."""

import importlib

from torch import nn


def spikingjelly_neurons(v_threshold=1.0):
    """A class of LIF populations: currents (T, B, ...) to spikes, all steps in one call.

    On a GPU it takes its Triton or CUDA kernels by itself where they are.
    """
    neuron = importlib.import_module("spikingjelly.activation_based.neuron")
    functional = importlib.import_module("spikingjelly.activation_based.functional")
    surrogate = importlib.import_module("spikingjelly.activation_based.surrogate")

    class Multi(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif = neuron.LIFNode(
                tau=2.0, decay_input=False, v_threshold=v_threshold, surrogate_function=surrogate.ATan(), step_mode="m"
            )

        def forward(self, currents):
            functional.reset_net(self.lif)
            return self.lif(currents.contiguous() if currents.is_cuda else currents)

    return Multi
