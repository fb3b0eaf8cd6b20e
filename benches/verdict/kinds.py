"""Ways in which a feature drifts: what its reference is drawn from, and what a faulty window is.

Every draw takes a generator and a number of rows. Several kinds share a reference, by its name.
"""

import numpy as np

from null_study import autoregressive, gaps, words, zipf


def normal(r, n):
    return r.normal(size=n)


def lognormal(r, n):
    return r.lognormal(size=n)


def price(r, n):
    return r.lognormal(3, 0.6, n)


def zero_inflated(r, n):
    return np.where(r.random(n) < 0.7, 0.0, r.lognormal(size=n))


def integers(r, n):
    return r.integers(0, 41, n)


def wide(r, n):
    """Three units are a standard deviation."""
    return 3 * r.normal(size=n)


def remembering(r, n):
    return autoregressive(r, n, 0.9)


def zipf_of(values):
    return lambda r, n: words(zipf(r, n, values))


def even_of(values):
    return lambda r, n: words(r.integers(0, values, n))


def odds(*weights):
    weights = np.array(weights) / sum(weights)
    return lambda r, n: words(r.choice(len(weights), n, p=weights))


def tenth(share):
    """Nine values share what the tenth leaves them."""
    return odds(share, *[(1 - share) / 9] * 9)


def flag(share):
    return lambda r, n: r.random(n) < share


def missing(share):
    return lambda r, n: gaps(r, r.normal(size=n), share)


def after(change, draw):
    """Every row of a draw, changed."""
    return lambda r, n: change(draw(r, n))


def part(share, draw, otherwise):
    """Other rows in a share of all."""
    return lambda r, n: np.where(r.random(n) < share, otherwise(r, n), draw(r, n))


def only(value):
    return lambda r, n: np.full(n, value)


def zeros(share, draw):
    return part(share, draw, only(0.0))


def new(draw):
    return after(lambda x: np.char.add("n", x), draw)


def permuted(values):
    """The same frequencies, of other values."""
    order = np.random.default_rng(1).permutation(values)
    return lambda r, n: words(order[zipf(r, n, values)])


def swapped(one, other, draw):
    def swap(x):
        return np.where(x == one, other, np.where(x == other, one, x))

    return after(swap, draw)


def top(x):
    return np.where(x > np.exp(2.3263), 10 * x, x)


def sawtooth(x):
    """Every tenth of a normal's rows stays where it is, and lies in the lower half of it."""
    from scipy.stats import norm

    u = norm.cdf(x)
    return norm.ppf((np.floor(u * 10) + (u * 10 % 1) / 2) / 10 + 1e-12)


def kinds():
    """Name: the reference's name, its draw, and that of a faulty window."""
    found = {}

    def add(base, draw, faults):
        for name, fault in faults.items():
            found[name] = (base, draw, fault)

    add("normal", normal, {
        "no drift, normal": normal,
        **{f"mean + {by} σ": after(lambda x, by=by: x + by, normal) for by in (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)},
        **{f"variance × {by}": after(lambda x, by=by: x * by**0.5, normal) for by in (1.2, 1.5, 2.0)},
        "deviation × 1.5": after(lambda x: 1.5 * x, normal),
        "deviation × 0.7": after(lambda x: 0.7 * x, normal),
        **{f"{share:.0%} far out (+100 σ)": part(share, normal, after(lambda x: x + 100, normal)) for share in (0.01, 0.05, 0.1)},
        **{f"{share:.0%} at 5 σ": part(share, normal, after(lambda x: x + 5, normal)) for share in (0.01, 0.05, 0.1)},
        **{f"{share:.0%} filled with the mean": part(share, normal, only(0.0)) for share in (0.02, 0.05, 0.1)},
        **{f"{share:.0%} stuck at one value": part(share, normal, only(0.731)) for share in (0.05, 0.1, 0.2)},
        "stuck at one value": only(0.731),
        "sign, symmetric": after(lambda x: -x, normal),
        **{f"clipped at {at} %": after(lambda x, z=z: np.minimum(x, z), normal) for at, z in ((99, 2.3263), (95, 1.6449), (90, 1.2816))},
        "rounded to 0.1 σ": after(lambda x: np.round(x, 1), normal),
        "rounded to 1 σ": after(np.round, normal),
        "rounded to floats": after(lambda x: x.astype(np.float32).astype(float), normal),
        "within the same tenths": after(sawtooth, normal),
        "zeros 0 → 2 %": zeros(0.02, normal),
        "zeros 0 → 5 %": zeros(0.05, normal),
        "zeros 0 → 10 %": zeros(0.1, normal),
    })
    add("wide", wide, {"truncated to integers, σ = 3": after(np.floor, wide)})
    add("lognormal", lognormal, {
        "lognormal, mean + 0.1 σ": after(lambda x: x + 0.1 * 2.161, lognormal),
        "top 1 % × 10": after(top, lognormal),
        "sign, lognormal": after(lambda x: -x, lognormal),
        "sign of 2 %, lognormal": part(0.02, lognormal, after(lambda x: -x, lognormal)),
    })
    add("price", price, {
        "price × 1.1": after(lambda x: 1.1 * x, price),
        "price × 1.3": after(lambda x: 1.3 * x, price),
        "1 % in another unit (× 1000)": part(0.01, price, after(lambda x: 1e3 * x, price)),
        "5 % in another unit (× 1000)": part(0.05, price, after(lambda x: 1e3 * x, price)),
        "all in another unit (× 1000)": after(lambda x: 1e3 * x, price),
    })
    add("zero-inflated", zero_inflated, {
        **{f"zeros 70 → {to:.0f} %": after(lambda x: x, lambda r, n, to=to: np.where(r.random(n) < to / 100, 0.0, r.lognormal(size=n))) for to in (75, 80, 90)},
        "zero-inflated × 1000": after(lambda x: 1e3 * x, zero_inflated),
        "stuck at zero, zero-inflated": only(0.0),
    })
    add("integers", integers, {
        "integers to 40, + 1": after(lambda x: x + 1, integers),
        "integers to 40, 0 is 1": after(lambda x: np.maximum(x, 1), integers),
    })
    sixty = zipf_of(60)
    add("60 categories", sixty, {
        "no drift, 60 categories": sixty,
        **{f"a new category, {share:.0%}": part(share, sixty, only("new")) for share in (0.01, 0.05, 0.2)},
        "60 categories permuted": permuted(60),
        "two rare ones swapped (1.2, 0.4 %)": swapped("v17", "v52", sixty),
    })
    add("ten categories", tenth(0.1), {
        **{f"a category 10 → {to:.0%}": tenth(to) for to in (0.12, 0.15, 0.2, 0.0)},
        "two equal ones swapped": swapped("v1", "v2", tenth(0.1)),
    })
    add("a rare category", tenth(0.005), {"a category 0.5 → 3 %": tenth(0.03)})
    add("uneven categories", odds(25, 15, 20, 20, 20), {"two swapped (25, 15 %)": odds(15, 25, 20, 20, 20)})
    for n in (1_000, 5_000):
        even, uneven = even_of(n), zipf_of(n)
        add(f"{n} even codes", even, {
            f"all of {n} even codes new": new(even),
            f"20 % of {n} even codes new": part(0.2, even, new(even)),
            f"one of {n} even codes for all": only("v7"),
            f"half of {n} even codes gone": even_of(n // 2),
            f"{n} even codes become uneven": uneven,
        })
        add(f"{n} uneven codes", uneven, {
            f"all of {n} uneven codes new": new(uneven),
            f"{n} uneven codes permuted": permuted(n),
        })
    rest = zipf_of(1_000)
    add("1000 uneven codes", rest, {
        "half of the rare codes new": after(lambda x: np.where((np.char.str_len(x) == 4) & (np.arange(len(x)) % 2 == 0), np.char.add("n", x), x), rest),
    })
    add("never missing", missing(0), {f"missing 0 → {to:.0%}": missing(to) for to in (0.02, 0.05, 0.1, 0.2)})
    add("missing 20 %", missing(0.2), {f"missing 20 → {to:.0%}": missing(to) for to in (0.22, 0.25, 0.3, 0.4)})
    for before, faults in ((0.5, (0.55, 0.6)), (0.05, (0.1, 0.2)), (0.02, (0.05,)), (0.005, (0.02, 0.05, 0.0))):
        add(f"flag {before:.1%}", flag(before), {f"a flag {before:.1%} → {to:.0%}": flag(to) for to in faults})
    add("remembers 0.9", remembering, {"AR(1) 0.9, mean + 0.5 σ": after(lambda x: x + 0.5, remembering)})
    return found
