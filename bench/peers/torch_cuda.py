#!/usr/bin/env python3
"""TD3 updates, or single linear layers, in PyTorch on a GPU.

  python torch_cuda.py --alone --obs 17 --act 6 --hidden 256 --batch 256
  python torch_cuda.py --alone --what linear --hidden 4096 --batch 4096

Needs only torch with CUDA, and torch_td3.py beside it, whose updates these are. Batches lie ready on
the GPU; drawing the noise is part of an update. A slot ends when the GPU has finished.

Updates:
  eager          autograd, Adam(fused=True), one call for all of Polyak
  graphs         the hand-written backward pass, each kind of update one CUDA graph
  graphs-tf32    the same with tf32 products
  graphs-bf16    the same with bfloat16 operands
  compiled-bf16  as graphs-bf16, each kind of update compiled first (takes a minute; not by default)

Linear layers (bias and ReLU included, bfloat16, --hidden inputs and outputs):
  dense          torch.nn.functional.linear
  2:4            the same on torch.sparse.to_sparse_semi_structured weights
  2:4-refresh    the conversion alone, which training needs after every step
"""
import torch_td3
from torch_td3 import protocol

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

UPDATES = ("eager", "graphs", "graphs-tf32", "graphs-bf16")
LINEAR = ("dense", "2:4", "2:4-refresh")


def to_device(values, device):
    return [[x.to(device) if torch.is_tensor(x) else x for x in row] for row in values]


class ByHand(torch_td3.Compiled):
    """The hand-written updates on a device, as they are or compiled."""

    def __init__(self, nets, masks, bf16, compiled=False):
        super().__init__(nets, masks, bf16)
        self.correction = self.correction.to(nets[0][0].device)
        if not compiled:
            self.critics_only, self.everything = self.critics, self.critics_and_actor

    def count(self, step):
        """Bias corrections of this update: tensors, so that a graph reads new ones."""
        for k in (0, 1) if step % 2 == 0 else (0,):
            self.steps[k] += 1
            c1, c2 = 1 - torch_td3.B1 ** self.steps[k], 1 - torch_td3.B2 ** self.steps[k]
            self.correction[2 * k : 2 * k + 2].copy_(torch.tensor([torch_td3.LR / c1, c2**-0.5]), non_blocking=True)


class Graphed:
    """Records both kinds of updates on first use, then copies a batch in and launches one."""

    def __init__(self, by_hand, tf32=False):
        self.by_hand, self.tf32 = by_hand, tf32
        self.nets, self.targets = by_hand.nets, by_hand.targets
        self.graphs = {}

    @torch.no_grad()
    def update(self, step, batch, noise):
        every = step % 2 == 0
        if every not in self.graphs:
            self.graphs[every] = self.record(every, batch, noise)
        graph, inputs = self.graphs[every]
        self.by_hand.count(step)
        for target, value in zip(inputs, (*batch, noise)):
            target.copy_(value)
        graph.replay()

    def record(self, every, batch, noise):
        run = self.by_hand.everything if every else self.by_hand.critics_only
        inputs = [x.clone() for x in (*batch, noise)]
        kept = [x.clone() for x in self.state()]
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        # Three runs on a stream of their own first: a compiler and cuBLAS set up what cannot be recorded.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run(*inputs, self.by_hand.correction)
        torch.cuda.current_stream().wait_stream(stream)
        for x, value in zip(self.state(), kept):
            x.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run(*inputs, self.by_hand.correction)
        torch.backends.cuda.matmul.allow_tf32 = False
        return graph, inputs

    def state(self):
        one = self.by_hand
        return [x for group in (one.nets, one.targets, one.moment1, one.moment2) for net in group for x in net]


class Eagerly:
    """The hand-written updates without a GPU: a check of this script, no peer."""

    def __init__(self, by_hand):
        self.by_hand, self.nets, self.targets = by_hand, by_hand.nets, by_hand.targets

    @torch.no_grad()
    def update(self, step, batch, noise):
        self.by_hand.count(step)
        run = self.by_hand.everything if step % 2 == 0 else self.by_hand.critics_only
        run(*batch, noise, self.by_hand.correction)


def make_update(name, nets, masks, device):
    if name == "eager":
        return torch_td3.Eager(nets, masks, fused=True)
    variant = ByHand(nets, masks, bf16=name.endswith("bf16"), compiled=name.startswith("compiled"))
    return Graphed(variant, tf32=name.endswith("tf32")) if device == "cuda" else Eagerly(variant)


def update_builder(a, device):
    nets, masks = torch_td3.make_problem(a)
    nets, masks = to_device(nets, device), to_device(masks, device)
    batches = to_device(torch_td3.make_batches(a), device)
    noises = torch.randn(5, a.batch, a.act, generator=torch.Generator().manual_seed(3)).to(device)

    def first_updates(variant):
        for step in range(1, 5):
            variant.update(step, batches[step], noises[step])
        return torch_td3.parameters(variant)

    expected = first_updates(torch_td3.Eager(nets, masks, fused=True))

    def build(name):
        variant = make_update(name, nets, masks, device)
        got = first_updates(variant)
        difference = max((x - y).abs().max().item() for x, y in zip(got, expected))
        step = 4

        def run(updates):
            nonlocal step
            for _ in range(updates):
                step += 1
                variant.update(step, batches[step % len(batches)], torch.randn(a.batch, a.act, device=device))
            finish(device)

        return run, {"differenceToEager": float(f"{difference:.2e}")}

    return build


def linear_builder(a, device):
    gen = torch.Generator().manual_seed(a.seed)
    make = lambda *shape: torch.randn(*shape, generator=gen).to(device, torch.bfloat16)
    x, bias = make(a.batch, a.hidden), make(a.hidden)
    weight = make(a.hidden, a.hidden) / a.hidden**0.5
    weight = weight * torch_td3.nm_mask(weight.float(), (2, 4)).to(weight.dtype)
    convert = getattr(torch.sparse, "to_sparse_semi_structured")
    dense = F.relu(F.linear(x, weight, bias)).float()

    def build(name):
        used = weight if name == "dense" else convert(weight)
        call = (lambda: convert(weight)) if name == "2:4-refresh" else (lambda: F.relu(F.linear(x, used, bias)))
        difference = 0.0
        if name != "2:4-refresh":
            difference = (call().float() - dense).abs().max().item()

        @torch.no_grad()
        def run(count):
            for _ in range(count):
                call()
            finish(device)

        return run, {"differenceToDense": float(f"{difference:.2e}")}

    return build


def finish(device):
    if device == "cuda":
        torch.cuda.synchronize()


def main():
    default = lambda args: UPDATES if args.what == "updates" else LINEAR
    a = protocol.arguments(__doc__, default, what=("updates", "linear"), device=("cuda", "cpu"))
    if a.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"PyTorch {torch.__version__} finds no GPU that it can use")
    torch.manual_seed(a.seed)
    build = (update_builder if a.what == "updates" else linear_builder)(a, a.device)
    variants = protocol.Variants()
    for name in a.variants:
        variants.add(name, lambda: build(name), multiple=2 if a.what == "updates" else 1)
    protocol.answer(a, torch_td3.OUT, "torch", torch.__version__, variants)


if __name__ == "__main__":
    main()
