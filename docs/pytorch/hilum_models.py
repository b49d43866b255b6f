"""Hilum's networks in plain PyTorch: loads a model.safetensors of ours and gives the same logits.

    network = load("model.safetensors")              # of any job whose layers are all shared
    logits = network(images)                         # float32 [n, 1 or 3, size, size], in [0, 1]

Needs torch and safetensors. Nothing in a file is executed. COVID-Net-style (reconstructed);
research use only.

A job with norm "batch" or "batch_local" or with local_layers keeps tensors at its sites, and no
release holds them (docs/decisions/030). Where only BatchNorm's statistics are missing (norm
"batch"), estimate_statistics() makes them from images; any other such file is refused.
"""
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

GROUPS = 8


def make_norm(kind, width, dims=2):
    if kind == "group":
        return nn.GroupNorm(GROUPS, width)
    return (nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d)(width)


class ConvNorm(nn.Module):
    def __init__(self, kind, i, o, k=1, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
        self.norm = make_norm(kind, o)

    def forward(self, x):
        return self.norm(self.conv(x))


class Pepx(nn.Module):
    """Each convolution with its own norm; block k of a stage reads ReLU of the running sum."""

    def __init__(self, kind, i, o, _stride):
        super().__init__()
        self.project1, self.expand = ConvNorm(kind, i, i // 4), ConvNorm(kind, i // 4, i // 2)
        self.depthwise = ConvNorm(kind, i // 2, i // 2, 3, groups=i // 2)
        self.project2 = ConvNorm(kind, i // 2, i // 4)
        self.extend = ConvNorm(kind, i // 4, o)

    def forward(self, x):
        for step in (self.project1, self.expand, self.depthwise, self.project2):
            x = step(x).relu()
        return self.extend(x)


class PlainPepx(nn.Module):
    """The form of covidnet-paper224: biases, one norm at the end."""

    def __init__(self, kind, i, o, _stride):
        super().__init__()
        self.project1, self.expand = nn.Conv2d(i, i // 4, 1), nn.Conv2d(i // 4, i // 2, 1)
        self.depthwise = nn.Conv2d(i // 2, i // 2, 3, 1, 1, groups=i // 2)
        self.project2, self.extend = nn.Conv2d(i // 2, i // 4, 1), nn.Conv2d(i // 4, o, 1)
        self.norm = make_norm(kind, o)

    def forward(self, x):
        x = self.depthwise(self.expand(self.project1(x)).relu()).relu()
        return self.norm(self.extend(self.project2(x))).relu()


class Prpe(nn.Module):
    """Project, the channels four times, depth-wise, project, expand; a shortcut beside it."""

    def __init__(self, kind, i, o, stride):
        super().__init__()
        self.project1 = nn.Conv2d(i, o // 4, 1)
        self.depthwise = nn.Conv2d(o, o, 3, stride, 1, groups=o)
        self.project2, self.expand = nn.Conv2d(o, o // 4, 1), nn.Conv2d(o // 4, o, 1)
        self.norm = make_norm(kind, o)
        if i != o or stride > 1:
            self.shortcut = nn.Conv2d(i, o, 1, stride)

    def forward(self, x):
        y = self.depthwise(self.project1(x).relu().repeat(1, 4, 1, 1)).relu()
        y = self.norm(self.expand(self.project2(y)))
        return (y + (self.shortcut(x) if hasattr(self, "shortcut") else x)).relu()


class Basic(nn.Module):
    """Of ResNet-18."""

    def __init__(self, kind, i, o, stride):
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(kind, i, o, 3, stride), ConvNorm(kind, o, o, 3)
        if i != o or stride > 1:
            self.shortcut = ConvNorm(kind, i, o, 1, stride)

    def forward(self, x):
        y = self.conv2(self.conv1(x).relu())
        return (y + (self.shortcut(x) if hasattr(self, "shortcut") else x)).relu()


class Network(nn.Module):
    """Every network of images."""

    def __init__(self, block, stem, widths, blocks, hidden, n_classes, kind, flat_side=0):
        super().__init__()
        self.block, self.flat_side = block, flat_side
        self.stem = ConvNorm(kind, 3, stem, 7, 2)
        strided = block in (Prpe, Basic)
        stages, i = [], stem
        for s, (o, n) in enumerate(zip(widths, blocks)):
            stages.append(nn.ModuleList(
                block(kind, i if b == 0 else o, o, 2 if strided and s > 0 and b == 0 else 1)
                for b in range(n)))
            i = o
        self.stages = nn.ModuleList(stages)
        sizes = [i * max(flat_side, 1) ** 2, *hidden, n_classes]
        self.head = nn.ModuleDict({f"fc{k + 1}": nn.Linear(sizes[k], sizes[k + 1])
                                   for k in range(len(sizes) - 1)})

    def forward(self, x):
        x = self.stem(x.expand(-1, 3, -1, -1)).relu()
        if self.block in (Prpe, Basic):
            x = F.max_pool2d(x, 3, 2, 1) if self.block is Basic else F.max_pool2d(x, 2)
            for stage in self.stages:
                for block in stage:
                    x = block(x)
        else:
            for stage in self.stages:
                x = stage[0](F.max_pool2d(x, 2))
                for block in stage[1:]:
                    x = x + block(x if self.block is PlainPepx else x.relu())
        x = x.flatten(1) if self.flat_side else x.mean((2, 3))
        for k, layer in enumerate(self.head.values()):
            x = layer(x.relu() if k > 0 else x)
        return x


class Bottleneck(nn.Module):
    def __init__(self, kind, i, o, stride):
        super().__init__()
        inner, flat = o // 4, (1, stride, stride)
        self.a = nn.Conv3d(i, inner, (3, 1, 1), 1, (1, 0, 0), bias=False)
        self.a_norm = make_norm(kind, inner, 3)
        self.b = nn.Conv3d(inner, inner, (1, 3, 3), flat, (0, 1, 1), bias=False)
        self.b_norm = make_norm(kind, inner, 3)
        self.c, self.c_norm = nn.Conv3d(inner, o, 1, bias=False), make_norm(kind, o, 3)
        self.shortcut = nn.Conv3d(i, o, 1, flat, bias=False)
        self.shortcut_norm = make_norm(kind, o, 3)

    def forward(self, x):
        y = self.b_norm(self.b(self.a_norm(self.a(x)).relu())).relu()
        return (self.c_norm(self.c(y)) + self.shortcut_norm(self.shortcut(x))).relu()


class Stem3d(nn.Module):
    def __init__(self, kind, channels, width):
        super().__init__()
        self.conv = nn.Conv3d(channels, width, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
        self.norm = make_norm(kind, width, 3)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


class Volumes(nn.Module):
    """covidnet-vol: [n, channels, slices, 192, 288]."""

    POOLS = ((16, 24, 36), (4, 12, 18), (1, 6, 9))

    def __init__(self, channels, n_classes, kind):
        super().__init__()
        self.stem = Stem3d(kind, channels, 16)
        self.stages = nn.ModuleList([nn.ModuleList([Bottleneck(kind, 16, 64, 1)]),
                                     nn.ModuleList([Bottleneck(kind, 64, 128, 2)])])
        head = {f"conv{k + 1}": nn.Conv3d(i, o, 3, 1, 1)
                for k, (i, o) in enumerate(((128, 64), (64, 32), (32, 32)))}
        head |= {"fc1": nn.Linear(32, 32), "fc2": nn.Linear(32, n_classes)}
        self.head = nn.ModuleDict(head)

    def forward(self, x):
        x = F.max_pool3d(self.stem(x), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = self.stages[1][0](F.max_pool3d(self.stages[0][0](x), (2, 1, 1)))
        for k, extents in enumerate(self.POOLS):
            x = self.head[f"conv{k + 1}"](F.adaptive_max_pool3d(x, extents)).relu()
        x = F.adaptive_max_pool3d(x, 1).flatten(1)
        return self.head["fc2"](self.head["fc1"](x).relu())


# block, stem, stage widths, blocks, hidden widths of the head, side of a flat head
IMAGES = {
    "covidnet-nano": (Pepx, 32, (64, 128, 256, 512), (3, 4, 6, 3), (), 0),
    "covidnet-tiny": (Pepx, 64, (128, 256, 512, 1024), (3, 4, 6, 3), (1024,), 0),
    "covidnet-s": (Pepx, 64, (192, 384, 768, 1536), (3, 4, 6, 3), (1024,), 0),
    "covidnet-paper224": (PlainPepx, 64, (256, 512, 1024, 2048), (3, 4, 6, 3), (1024, 1024), 7),
    "covidnet-ct-s": (Prpe, 48, (48, 96, 192, 256), (3, 4, 6, 3), (), 0),
    "covidnet-ct-l": (Prpe, 48, (80, 160, 320, 512), (3, 4, 6, 3), (), 0),
    "resnet18": (Basic, 64, (64, 128, 256, 512), (2, 2, 2, 2), (), 0),
}


def make(architecture, n_classes, norm="group", channels=2):
    """The network with PyTorch's own first weights, in inference mode."""
    kind = "group" if norm == "group" else "batch"
    if architecture == "covidnet-vol":
        return Volumes(channels, n_classes, kind).eval()
    block, stem, widths, blocks, hidden, flat_side = IMAGES[architecture]
    return Network(block, stem, widths, blocks, hidden, n_classes, kind, flat_side).eval()


def read(path):
    """({name: tensor}, metadata) of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        return {name: file.get_tensor(name) for name in names}, file.metadata()


def is_counter(name):
    """Of PyTorch's BatchNorm alone; it plays no part with a fixed momentum."""
    return name.endswith("num_batches_tracked")


def load(path, statistics="given"):
    """The network of a model.safetensors, in inference mode.

    statistics  "given", or "estimate" when estimate_statistics() follows
    ValueError: tensors are missing, or there are some that the network does not have.
    """
    tensors, metadata = read(path)
    stem = tensors.get("stem.conv.weight")
    network = make(metadata["architecture"], len(metadata["classes"].split(",")),
                   metadata.get("norm", "group"), 2 if stem is None else stem.shape[1])
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not is_counter(name) and
               not (statistics == "estimate" and ".running_" in name)]
    if missing or unexpected:
        raise ValueError(f"{path}: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return network


@torch.no_grad()
def estimate_statistics(network, batches):
    """Sets BatchNorm's means and variances to those of `batches` of images, all counting alike:
    what a site would do that has trained in no round. Each batch holds two images or more."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a plain mean over the batches
    network.train()
    for images in batches:
        network(images)
    return network.eval()
