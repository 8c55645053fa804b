"""How a peer answers a benchmark: JSON lines on standard input and output.

  <- {"ready": true, "library": "torch", "version": "...", "variants": [{"name": "eager", ...}], "failed": {}}
  -> {"variant": "eager", "updates": 20}
  <- {"seconds": 0.0812}

The peer ends at the end of its input. With --alone it measures by itself and prints a line per
variant. Everything else that a library prints goes to standard error.
"""
import argparse
import json
import os
import statistics
import sys
import time


def arguments(doc, variants, **choices):
    """The command line that all peers have; `variants` are names, or a function from the others to names.

    Further keywords are flags of one script with the values that each takes, the default first.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(obs=105, act=8, hidden=256, batch=256, threads=2, seed=0).items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--sparsity", default="dense", help="dense, or N:M: weights times masks, the gradient masked")
    for name, values in choices.items():
        parser.add_argument("--" + name, choices=values, default=values[0])
    parser.add_argument("--variants", help="names with commas; see above")
    parser.add_argument("--alone", action="store_true", help="measure without a benchmark that asks")
    args = parser.parse_args()
    args.nm = None if args.sparsity == "dense" else tuple(int(x) for x in args.sparsity.split(":"))
    default = variants(args) if callable(variants) else variants
    args.variants = list(default) if args.variants is None else args.variants.split(",")
    return args


def own_output():
    """Standard output for the protocol alone; what libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return out


class Variants:
    """What a script can run: name, function of a number of updates, multiple that it takes."""

    def __init__(self):
        self.run, self.about, self.failed = {}, [], {}

    def add(self, name, build, multiple=2, **about):
        """build() returns f(updates); one that does not work here is reported, not hidden."""
        start = time.perf_counter()
        try:
            run, more = build()
            run(2 * multiple)
        except Exception as error:  # whatever a compiler or a missing instruction set may raise
            first = (str(error).strip().splitlines() or [""])[0]
            self.failed[name] = f"{type(error).__name__}: {first[:160]}"
            return
        self.run[name] = run
        setup = round(time.perf_counter() - start, 2)
        self.about.append({"name": name, "multiple": multiple, "setupSeconds": setup, **about, **more})


def timed(run, updates):
    start = time.perf_counter()
    run(updates)
    return time.perf_counter() - start


def serve(out, library, version, variants):
    """Answer until the input ends."""
    print(json.dumps({"ready": True, "library": library, "version": version, "variants": variants.about,
                      "failed": variants.failed}), file=out)
    for line in sys.stdin:
        request = json.loads(line)
        seconds = timed(variants.run[request["variant"]], request["updates"])
        print(json.dumps({"seconds": seconds}), file=out)


def alone(out, variants, rounds=15, slot=0.2):
    """Variants take turns; the median of their slots."""
    updates, slots = {}, {name: [] for name in variants.run}
    for about in variants.about:
        name, multiple = about["name"], about["multiple"]
        one = min(timed(variants.run[name], 2 * multiple) for _ in range(3)) / (2 * multiple)
        updates[name] = max(1, round(slot / one / multiple)) * multiple
    for _ in range(rounds):
        for name, run in variants.run.items():
            slots[name].append(timed(run, updates[name]) / updates[name] * 1e3)
    for name, values in slots.items():
        print(f"{name:16} {statistics.median(values):8.3f} ms per update", file=out)
    for name, reason in variants.failed.items():
        print(f"{name:16} failed: {reason}", file=out)


def answer(args, out, library, version, variants):
    if args.alone:
        alone(out, variants)
    else:
        serve(out, library, version, variants)
