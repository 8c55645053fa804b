#!/usr/bin/env python3
"""TD3 updates in PyTorch on the CPU, from textbook code to the strongest that was found.

  python torch_td3.py --alone --obs 105 --act 8 --hidden 256 --batch 256 --threads 2

Needs only torch. One update: target with smoothed action, both critics forward, backward and Adam,
and every second time the actor's step and Polyak averaging of all targets; drawing the noise is
part of it, drawing the batch is not (batches lie ready, to the peer's advantage).

  eager         separate critics, autograd, Adam and Polyak parameter by parameter
  fused         as eager, with Adam(fused=True) and one call for all of Polyak
  compiled      hand-written backward, Adam and Polyak, each kind of update one torch.compile graph
  compiled-bf16 as compiled, with bfloat16 operands in all matrix products (AMX, AVX-512-BF16)

With --sparsity N:M weights are multiplied by row-wise masks and gradients are masked, as a PyTorch
user would write it; it saves no arithmetic.
"""
import protocol

OUT = protocol.own_output()

import warnings  # noqa: E402

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

warnings.filterwarnings("ignore")
GAMMA, TAU, STD, CLIP, LR, B1, B2, EPS = 0.99, 0.005, 0.2, 0.5, 3e-4, 0.9, 0.999, 1e-8
VARIANTS = ("eager", "fused", "compiled", "compiled-bf16")


def nm_mask(w, nm):
    """1 at the N largest of every M consecutive weights of a row, ties to the lower column."""
    n, m = nm
    groups = F.pad(w.abs(), (0, -w.shape[1] % m), value=-1.0).view(w.shape[0], -1, m)
    keep = groups.sort(dim=2, descending=True, stable=True).indices[..., :n]
    return torch.zeros_like(groups).scatter_(2, keep, 1.0).view(w.shape[0], -1)[:, : w.shape[1]].contiguous()


def make_network(sizes):
    """Three weights [out, in], then three biases, with PyTorch's default initialisation."""
    layers = [torch.nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])]
    return [x.weight.detach().clone() for x in layers] + [x.bias.detach().clone() for x in layers]


def make_problem(a):
    """Parameters of actor, critic 1 and critic 2, one after the other (six tensors each), and masks."""
    torch.manual_seed(a.seed)
    critic = [a.obs + a.act, a.hidden, a.hidden, 1]
    nets = [make_network([a.obs, a.hidden, a.hidden, a.act]), make_network(critic), make_network(critic)]
    masks = [[None] * 3 if a.nm is None else [nm_mask(w, a.nm) for w in net[:3]] for net in nets]
    return nets, masks


def make_batches(a, count=16):
    gen = torch.Generator().manual_seed(a.seed + 1)
    normal = lambda *shape: torch.randn(*shape, generator=gen)
    return [(normal(a.batch, a.obs), torch.rand(a.batch, a.act, generator=gen) * 2 - 1, normal(a.batch),
             normal(a.batch, a.obs), (torch.rand(a.batch, generator=gen) < 0.01).float()) for _ in range(count)]


def masked(weights, masks):
    return [w if m is None else w * m for w, m in zip(weights, masks)]


def smoothed(action, noise):
    return (action + (noise * STD).clamp(-CLIP, CLIP)).clamp(-1, 1)


class Eager:
    """Autograd, written as textbooks do; `fused` uses the fastest optimiser calls there are."""

    def __init__(self, nets, masks, fused):
        self.masks, self.fused = masks, fused
        self.nets = [[p.clone().requires_grad_() for p in net] for net in nets]
        self.targets = [[p.clone() for p in net] for net in nets]
        adam = {"fused": True} if fused else {"foreach": False}
        self.actor_adam = torch.optim.Adam(self.nets[0], LR, **adam)
        self.critic_adam = torch.optim.Adam(self.nets[1] + self.nets[2], LR, **adam)

    def mlp(self, x, p, k):
        w = masked(p[:3], self.masks[k])
        x = F.relu(F.linear(x, w[0], p[3]))
        x = F.relu(F.linear(x, w[1], p[4]))
        return F.linear(x, w[2], p[5])

    def q(self, x, nets):
        return [self.mlp(x, nets[k], k).squeeze(1) for k in (1, 2)]

    def update(self, step, batch, noise):
        s, action, reward, s2, done = batch
        with torch.no_grad():
            a2 = smoothed(torch.tanh(self.mlp(s2, self.targets[0], 0)), noise)
            y = reward + GAMMA * (1 - done) * torch.minimum(*self.q(torch.cat([s2, a2], 1), self.targets))
        loss = sum(F.mse_loss(q, y) for q in self.q(torch.cat([s, action], 1), self.nets))
        self.step(self.critic_adam, loss)
        if step % 2 == 0:
            policy = torch.tanh(self.mlp(s, self.nets[0], 0))
            frozen = [p.detach() for p in self.nets[1]]  # no gradient is spent on the critic's weights
            self.step(self.actor_adam, -self.mlp(torch.cat([s, policy], 1), frozen, 1).mean())
            self.polyak()

    @staticmethod
    def step(optimizer, loss):
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def polyak(self):
        if self.fused:
            return torch._foreach_lerp_(sum(self.targets, []), sum(self.nets, []), TAU)
        for net, target in zip(self.nets, self.targets):
            for p, t in zip(net, target):
                t.mul_(1 - TAU).add_(p, alpha=TAU)


class Compiled:
    """Everything by hand in plain tensor code, so that each kind of update is one compiled graph.

    With bf16 parameters stay float32; operands of matrix products are cast once, activations kept so.
    """

    def __init__(self, nets, masks, bf16):
        self.masks = masks
        copy = lambda: [[p.clone() for p in net] for net in nets]
        self.nets, self.targets = copy(), copy()
        self.moment1, self.moment2 = ([[torch.zeros_like(p) for p in net] for net in nets] for _ in range(2))
        # Bias corrections as a tensor: numbers would be compiled in.
        self.correction = torch.zeros(4)
        self.steps = [0, 0]
        self.cast = torch.Tensor.bfloat16 if bf16 else (lambda t: t)
        self.mm = (lambda x, y: torch.mm(x, y).float()) if bf16 else torch.mm
        options = {"fullgraph": True, "dynamic": False}
        self.critics_only = torch.compile(self.critics, **options)
        self.everything = torch.compile(self.critics_and_actor, **options)

    def weights(self, net, k):
        return [self.cast(w) for w in masked(net[:3], self.masks[k])]

    def layer(self, x, w, b):
        return self.cast(F.relu(self.mm(x, w.t()) + b))

    def critic(self, x, net, w):
        h1 = self.layer(x, w[0], net[3])
        h2 = self.layer(h1, w[1], net[4])
        # One output: a product and a row sum are faster than a matrix product with one column.
        return h1, h2, (h2.float() * w[2].float()).sum(1, keepdim=True) + net[5]

    def actor(self, x, net, w):
        h1 = self.layer(x, w[0], net[3])
        h2 = self.layer(h1, w[1], net[4])
        return h1, h2, torch.tanh(self.mm(h2, w[2].t()) + net[5])

    def critic_gradients(self, x, k, y):
        net, w = self.nets[k], self.weights(self.nets[k], k)
        h1, h2, q = self.critic(x, net, w)
        d3 = (q - y) * (2.0 / len(x))
        d2 = d3 * w[2].float() * (h2 > 0)
        e2 = self.cast(d2)
        d1 = self.mm(e2, w[1]) * (h1 > 0)
        grads = [self.mm(self.cast(d1).t(), x), self.mm(e2.t(), h1), (d3 * h2.float()).sum(0, keepdim=True)]
        return masked(grads, self.masks[k]) + [d1.sum(0), d2.sum(0), d3.sum(0)]

    def actor_gradients(self, s):
        x, w = self.cast(s), self.weights(self.nets[0], 0)
        a1, a2, policy = self.actor(x, self.nets[0], w)
        v = self.weights(self.nets[1], 1)
        h1, h2, _ = self.critic(self.cast(torch.cat([s, policy], 1)), self.nets[1], v)
        d1 = self.mm(self.cast((h2 > 0) * (v[2].float() * (-1.0 / len(s)))), v[1]) * (h1 > 0)
        # Of the critic's input gradient only the action's columns are needed.
        d3 = self.mm(self.cast(d1), v[0][:, s.shape[1]:]) * (1 - policy * policy)
        d2 = self.mm(self.cast(d3), w[2]) * (a2 > 0)
        d1 = self.mm(self.cast(d2), w[1]) * (a1 > 0)
        grads = [self.mm(self.cast(d).t(), h) for d, h in ((d1, x), (d2, a1), (d3, a2))]
        return masked(grads, self.masks[0]) + [d1.sum(0), d2.sum(0), d3.sum(0)]

    def adam(self, k, grads, step, scale):
        for p, g, m, v in zip(self.nets[k], grads, self.moment1[k], self.moment2[k]):
            m.lerp_(g, 1 - B1)
            v.mul_(B2).addcmul_(g, g, value=1 - B2)
            p.sub_(step * m / (v.sqrt() * scale + EPS))

    def critics(self, s, action, reward, s2, done, noise, correction):
        a2 = self.actor(self.cast(s2), self.targets[0], self.weights(self.targets[0], 0))[2]
        x2 = self.cast(torch.cat([s2, smoothed(a2, noise)], 1))
        q = [self.critic(x2, self.targets[k], self.weights(self.targets[k], k))[2] for k in (1, 2)]
        y = (reward + GAMMA * (1 - done) * torch.minimum(*q).squeeze(1)).unsqueeze(1)
        x = self.cast(torch.cat([s, action], 1))
        grads = [self.critic_gradients(x, k, y) for k in (1, 2)]
        for k in (1, 2):
            self.adam(k, grads[k - 1], correction[0], correction[1])

    def critics_and_actor(self, s, action, reward, s2, done, noise, correction):
        self.critics(s, action, reward, s2, done, noise, correction)
        self.adam(0, self.actor_gradients(s), correction[2], correction[3])
        for net, target in zip(self.nets, self.targets):
            for p, t in zip(net, target):
                t.lerp_(p, TAU)

    @torch.no_grad()
    def update(self, step, batch, noise):
        for k in (0, 1) if step % 2 == 0 else (0,):
            self.steps[k] += 1
            self.correction[2 * k] = LR / (1 - B1 ** self.steps[k])
            self.correction[2 * k + 1] = (1 - B2 ** self.steps[k]) ** -0.5
        (self.everything if step % 2 == 0 else self.critics_only)(*batch, noise, self.correction)


MAKE = {
    "eager": lambda *problem: Eager(*problem, fused=False),
    "fused": lambda *problem: Eager(*problem, fused=True),
    "compiled": lambda *problem: Compiled(*problem, bf16=False),
    "compiled-bf16": lambda *problem: Compiled(*problem, bf16=True),
}


def parameters(variant):
    return [p.detach().clone() for net in variant.nets + variant.targets for p in net]


def first_updates(variant, a, batches, count=4):
    """The same updates for all variants: they have to come to the same weights."""
    gen = torch.Generator().manual_seed(3)
    for step in range(1, count + 1):
        variant.update(step, batches[step], torch.randn(a.batch, a.act, generator=gen))
    return parameters(variant)


def main():
    a = protocol.arguments(__doc__, VARIANTS)
    torch.set_num_threads(a.threads)
    nets, masks = make_problem(a)
    batches = make_batches(a)
    expected = first_updates(MAKE["eager"](nets, masks), a, batches)
    variants = protocol.Variants()

    def build(name):
        variant = MAKE[name](nets, masks)
        got = first_updates(variant, a, batches)
        difference = max((x - y).abs().max().item() for x, y in zip(got, expected))
        step = 4

        def run(updates):
            nonlocal step
            for _ in range(updates):
                step += 1
                variant.update(step, batches[step % len(batches)], torch.randn(a.batch, a.act))

        return run, {"differenceToEager": float(f"{difference:.2e}")}

    for name in a.variants:
        variants.add(name, lambda: build(name))
    protocol.answer(a, OUT, "torch", torch.__version__, variants)


if __name__ == "__main__":
    main()
