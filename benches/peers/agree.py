"""Check that driftd and a peer agree where they define the same: agree.py DRIFTD_JSON PEER_JSON

DRIFTD_JSON is the output of `driftd check --format json`, PEER_JSON that of a script beside this
one. A figure that the peer does not have is not compared; at least one must be. Prints the largest
difference per figure; the exit status is 1 when one is too large.
"""

import json
import math
import sys
from collections import namedtuple
from pathlib import Path

Figure = namedtuple("Figure", ["peer_name", "tolerance", "of_driftd", "unit"])
Difference = namedtuple("Difference", ["size", "feature", "driftd", "peer"])


def one(_feature):
    return 1.0


def spread(feature):
    """A mean near 0 has no digits of its own: it is as exact as the values that made it."""
    return max(abs(feature["mean"]), feature["stddev"])


def score(measure):
    return lambda feature: feature["measures"].get(measure, {}).get("score")


FIGURES = [
    Figure("missing_ratio", 1e-12, lambda feature: feature["missing_ratio"], one),
    Figure("mean", 1e-9, lambda feature: feature["mean"], spread),
    Figure("stddev", 1e-9, lambda feature: feature["stddev"], lambda feature: feature["stddev"]),
    Figure("psi", 1e-9, score("psi"), one),
    # On this data the bins are the same; but a decile may round to below the value that it is.
    Figure("psi_deciles", 1e-5, score("psi"), one),
    Figure("ks", 1e-3, score("ks"), one),
    # Known at the reference's percentiles only, it can be low by a hundredth.
    Figure("ks_percentiles", 1e-2, score("ks"), one),
]


def driftd_features(path):
    reports = json.loads(Path(path).read_text())["reports"]
    return {feature["name"]: feature for feature in reports[0]["features"]}


def differences(driftd, peer, figure):
    for name, feature in driftd.items():
        if figure.peer_name in peer[name]:
            ours, theirs = figure.of_driftd(feature), peer[name][figure.peer_name]
            if ours is None or theirs is None:
                size = 0.0 if ours is theirs else math.inf
            else:
                size = abs(ours - theirs) / figure.unit(feature)
            yield Difference(size, name, ours, theirs)


def agrees(driftd, peer, figure):
    found = list(differences(driftd, peer, figure))
    if not found:
        return None
    worst = max(found, key=lambda difference: difference.size)
    verdict = worst.size <= figure.tolerance
    print(
        f"{'ok ' if verdict else 'BAD'} {figure.peer_name:14}{len(found):5} features, "
        f"tolerance {figure.tolerance:.0e}, largest {worst.size:.1e} in {worst.feature} "
        f"(driftd {worst.driftd}, peer {worst.peer})"
    )
    return verdict


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: agree.py DRIFTD_JSON PEER_JSON")
    driftd, peer = driftd_features(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    if driftd.keys() != peer.keys():
        sys.exit(f"agree.py: only one side has {sorted(driftd.keys() ^ peer.keys())}")
    verdicts = [agrees(driftd, peer, figure) for figure in FIGURES]
    compared = [verdict for verdict in verdicts if verdict is not None]
    if not compared:
        sys.exit("agree.py: the peer has no figure that driftd defines in the same way")
    sys.exit(not all(compared))


if __name__ == "__main__":
    main()
