#!/usr/bin/env python3
"""TD3 updates in JAX on the CPU (XLA): the whole update jitted, its state donated.

  python jax_td3.py --alone --obs 105 --act 8 --hidden 256 --batch 256 --threads 2

Needs jax and numpy. The work is that of torch_td3.py; noise is drawn inside the jitted function.

  pair  one call does two updates, the second with actor and Polyak averaging
  scan  one call does sixteen, lax.scan over batches that lie on the device
"""
import os

import protocol

OUT = protocol.own_output()
ARGS = protocol.arguments(__doc__, ("pair", "scan"))
# XLA sizes its pools by the cores that the process may use, once and for all.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: ARGS.threads])
if ARGS.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

GAMMA, TAU, STD, CLIP, LR, B1, B2, EPS = 0.99, 0.005, 0.2, 0.5, 3e-4, 0.9, 0.999, 1e-8
TREE = jax.tree_util.tree_map
BATCHES = 16


def nm_mask(w, nm):
    """1 at the N largest of every M consecutive weights of a row [out, in], ties to the lower column."""
    n, m = nm
    out, width = w.shape
    groups = np.pad(np.abs(w), ((0, 0), (0, -width % m)), constant_values=-1).reshape(out, -1, m)
    mask = np.zeros_like(groups)
    np.put_along_axis(mask, np.argsort(-groups, axis=2, kind="stable")[..., :n], 1, axis=2)
    return mask.reshape(out, -1)[:, :width]


def make_problem(a):
    """Actor, critic 1 and critic 2 as {"w": [in, out] each, "b"}, and masks or None."""
    rng = np.random.default_rng(a.seed)
    nets, masks = [], []
    critic = [a.obs + a.act, a.hidden, a.hidden, 1]
    for sizes in ([a.obs, a.hidden, a.hidden, a.act], critic, critic):
        bound = [1 / np.sqrt(i) for i in sizes]
        draw = lambda k, shape: rng.uniform(-bound[k], bound[k], shape).astype(np.float32)
        w = [draw(k, (sizes[k + 1], sizes[k])) for k in range(3)]
        nets.append({"w": [x.T.copy() for x in w], "b": [draw(k, sizes[k + 1]) for k in range(3)]})
        masks.append(None if a.nm is None else [nm_mask(x, a.nm).T.copy() for x in w])
    return nets, masks


def make_batches(a):
    rng = np.random.default_rng(a.seed + 1)
    normal = lambda *shape: rng.standard_normal(shape, np.float32)
    return [dict(s=normal(a.batch, a.obs), a=rng.uniform(-1, 1, (a.batch, a.act)).astype(np.float32),
                 r=normal(a.batch), s2=normal(a.batch, a.obs),
                 d=(rng.random(a.batch) < 0.01).astype(np.float32)) for _ in range(BATCHES)]


def mlp(x, net, mask):
    w = net["w"] if mask is None else [p * m for p, m in zip(net["w"], mask)]
    x = jax.nn.relu(x @ w[0] + net["b"][0])
    x = jax.nn.relu(x @ w[1] + net["b"][1])
    return x @ w[2] + net["b"][2]


def adam(p, g, m, v, t):
    m = TREE(lambda m, g: B1 * m + (1 - B1) * g, m, g)
    v = TREE(lambda v, g: B2 * v + (1 - B2) * g * g, v, g)
    step = lambda p, m, v: p - LR * (m / (1 - B1 ** t)) / (jnp.sqrt(v / (1 - B2 ** t)) + EPS)
    return TREE(step, p, m, v), m, v


def make_updates(masks):
    """Functions (state, batch) -> state: the critics' half, and the actor's with Polyak averaging."""

    def twin(x, critics):
        return jnp.stack([mlp(x, net, mask)[:, 0] for net, mask in zip(critics, masks[1:])])

    def critic_half(st, b):
        key, sub = jax.random.split(jax.random.wrap_key_data(st["key"], impl="rbg"))
        noise = jnp.clip(jax.random.normal(sub, b["a"].shape) * STD, -CLIP, CLIP)
        a2 = jnp.clip(jnp.tanh(mlp(b["s2"], st["actorTarget"], masks[0])) + noise, -1, 1)
        q2 = twin(jnp.concatenate([b["s2"], a2], 1), st["criticTargets"]).min(0)
        y = b["r"] + GAMMA * (1 - b["d"]) * q2
        x = jnp.concatenate([b["s"], b["a"]], 1)
        grads = jax.grad(lambda c: jnp.square(twin(x, c) - y).mean(1).sum())(st["critics"])
        t = st["t"] + 1
        c, m, v = adam(st["critics"], grads, *st["criticMoments"], t)
        return st | dict(critics=c, criticMoments=(m, v), t=t, key=jax.random.key_data(key))

    def actor_half(st, b):
        def loss(actor):
            action = jnp.tanh(mlp(b["s"], actor, masks[0]))
            return -mlp(jnp.concatenate([b["s"], action], 1), st["critics"][0], masks[1]).mean()

        a, m, v = adam(st["actor"], jax.grad(loss)(st["actor"]), *st["actorMoments"], st["t"] / 2)
        mix = lambda targets, nets: TREE(lambda t, p: t + TAU * (p - t), targets, nets)
        return st | dict(actor=a, actorMoments=(m, v), actorTarget=mix(st["actorTarget"], a),
                         criticTargets=mix(st["criticTargets"], st["critics"]))

    return critic_half, actor_half


def make_state(nets):
    critics = tuple(nets[1:])
    moments = lambda net: (TREE(jnp.zeros_like, net), TREE(jnp.zeros_like, net))
    state = dict(actor=nets[0], critics=critics, actorTarget=nets[0], criticTargets=critics,
                 actorMoments=moments(nets[0]), criticMoments=moments(critics),
                 t=jnp.zeros((), jnp.float32), key=jax.random.key_data(jax.random.key(0, impl="rbg")))
    return TREE(lambda x: jnp.array(x, copy=True), state)  # donated: nothing may be shared


def main():
    nets, masks = make_problem(ARGS)
    batches = [jax.device_put(b) for b in make_batches(ARGS)]
    critic_half, actor_half = make_updates(masks)
    both = lambda st, b0, b1: actor_half(critic_half(critic_half(st, b0), b1), b1)

    def build_pair():
        call, at, state = jax.jit(both, donate_argnums=0), 0, make_state(nets)

        def run(updates):
            nonlocal state, at
            for _ in range(updates // 2):
                state = call(state, batches[at % BATCHES], batches[(at + 1) % BATCHES])
                at += 2
            jax.block_until_ready(state)

        return run, {}

    def build_scan():
        pairs = TREE(lambda *x: jnp.stack(x).reshape(BATCHES // 2, 2, *x[0].shape), *batches)
        one = lambda st, b: (both(st, TREE(lambda x: x[0], b), TREE(lambda x: x[1], b)), None)
        call, state = jax.jit(lambda st, b: jax.lax.scan(one, st, b)[0], donate_argnums=0), make_state(nets)

        def run(updates):
            nonlocal state
            for _ in range(updates // BATCHES):
                state = call(state, pairs)
            jax.block_until_ready(state)

        return run, {}

    variants = protocol.Variants()
    builders = {"pair": (build_pair, 2), "scan": (build_scan, BATCHES)}
    for name in ARGS.variants:
        build, multiple = builders[name]
        variants.add(name, build, multiple)
    protocol.answer(ARGS, OUT, "jax", jax.__version__, variants)


if __name__ == "__main__":
    main()
