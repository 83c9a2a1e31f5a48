"""Data sets that are known by name: their classes, files, checksums and mirrors.

There are two kinds of checksum. That of a *file* is stated by its publisher, and a download must match it.
That of the *content* (:func:`~spikewise.data.splits.content_sha256`) does not depend on the format or the order
of the samples, so it holds for raw and gzipped files, an archive and a grid of pictures alike.
"""

import os
from dataclasses import dataclass, field
from urllib.parse import quote

from spikewise.errors import ParameterError, unknown_name

MIRROR_VARIABLE = "SPIKEWISE_MIRROR"
DATA_VARIABLE = "SPIKEWISE_DATA"


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A published data set.

    Parameters
    ----------
    name : str
        Name that the user types, and name of its folder.
    classes : tuple of str
        Names of the classes 0, 1, ...; empty if they are read from the files.
    files : dict of str to str
        ``algorithm:hexdigest`` of each file to download.
    mirrors : tuple of str
        Base addresses of the files, tried in this order.
    content : dict of str to str
        SHA-256 of the content of the official parts, ``train`` and ``test``.
    other_folders : tuple of str
        Folders in which other programs store the files, below a common root.
    homepage : str
        Page for a manual download, if there is no automatic one.
    """

    name: str
    classes: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()
    content: dict[str, str] = field(default_factory=dict)
    other_folders: tuple[str, ...] = ()
    homepage: str = ""

    def urls(self, file: str) -> tuple[str, ...]:
        """Return the addresses of a file: on the mirrors, or only on the one that SPIKEWISE_MIRROR names.

        Raises
        ------
        ParameterError
            If the variable does not start with http:// or https://.
        """
        own = os.environ.get(MIRROR_VARIABLE, "").strip()
        # Other schemes, such as file://, would let a variable read from anywhere on this machine.
        if own and not own.startswith(("http://", "https://")):
            raise ParameterError(f"{MIRROR_VARIABLE} must start with http:// or https://; got {own!r}.")
        bases = (f"{own.rstrip('/')}/{self.name}/",) if own else self.mirrors
        return tuple(base + quote(file) for base in bases)


_DIGITS = tuple("0123456789")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout
    tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()  # noqa: SIM905 - a hundred quoted names would hide them
)
_GESTURES = (
    "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter clockwise",
    "left arm clockwise", "left arm counter clockwise", "arm roll", "air drums", "air guitar", "other gestures",
)  # fmt: skip
_IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx_files(*sha256: str) -> dict[str, str]:
    return {f"{file}.gz": f"sha256:{digest}" for file, digest in zip(_IDX_FILES, sha256, strict=True)}


NAMED_SETS = {
    known.name: known
    for known in (
        NamedSet("digits", _DIGITS),
        NamedSet(
            "mnist",
            _DIGITS,
            _idx_files(
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            {
                "train": "c2dd4501fcedd1b0207c9be7d65b5e4c2fa64965bdb17bd58b16ea238c5d7b66",
                "test": "89078b25478e6f2e6f535fced64ee478488b3713c11e3d9481930e6181669eeb",
            },
            ("MNIST/raw",),
        ),
        NamedSet(
            "fashion-mnist",
            ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            _idx_files(
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            {
                "train": "3dd117a66f5115346e5280a1b48522fb9a4508a5f9a9b238363911a2d6b3832b",
                "test": "b9e6b0d7d8d9f0ebe03a8d13a65bc2b8bce8db960be77e1addc0091aaff69032",
            },
            ("FashionMNIST/raw",),
        ),
        NamedSet(
            "cifar10",
            _CIFAR10,
            {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
            ("https://www.cs.toronto.edu/~kriz/",),
            # Not stated by the publisher: computed from a lossless copy whose channel means and standard deviations
            # equal the published ones.
            {
                "train": "da9d6a8662a459c369f515f06f83606361e2e65d0419447b83c10f8e28c311bc",
                "test": "2a862bbf055f37f66ee37ebd56e4de56bc8d72ecae3c13c6b2de79e9e6235a14",
            },
        ),
        NamedSet(
            "cifar100",
            _CIFAR100,
            {"cifar-100-binary.tar.gz": "md5:03b5dce01913d631647c71ecec9e9cb8"},
            ("https://www.cs.toronto.edu/~kriz/",),
        ),
        NamedSet(
            "tiny-imagenet",
            (),
            {"tiny-imagenet-200.zip": "md5:90528d7ca1a48142e341f4ef8d21d0de"},
            ("http://cs231n.stanford.edu/",),
            other_folders=("tiny-imagenet-200",),
        ),
        NamedSet(
            "nmnist",
            _DIGITS,
            other_folders=("NMNIST", "N-MNIST"),
            homepage="https://www.garrickorchard.com/datasets/n-mnist",
        ),
        NamedSet(
            "cifar10-dvs",
            _CIFAR10,
            other_folders=("CIFAR10DVS", "CIFAR10-DVS"),
            homepage="https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
        ),
        NamedSet(
            "dvs128-gesture",
            _GESTURES,
            other_folders=("DVSGesture", "DvsGesture", "DVS128Gesture"),
            homepage="https://research.ibm.com/interactive/dvsgesture/",
        ),
    )
}


def named_set(name: str) -> NamedSet:
    """Return the data set with this name; raise ParameterError if it is unknown.

    Examples
    --------
    >>> named_set("mnist").classes[7]
    '7'
    """
    if name not in NAMED_SETS:
        raise unknown_name("data set", name, NAMED_SETS)
    return NAMED_SETS[name]
