"""Scores from counts, for the peers that count but have no drift measure of their own.

In plain Python: a few dozen bins per feature do not pay for an import of numpy.
"""

import math

SHARE_MIN = 1e-4
CATEGORY_SHARE_MIN_PERCENT = 1
CATEGORY_ROWS_MIN = 30


def psi(reference, current):
    """Population stability index of two lists of counts over the same bins."""
    rows_reference, rows_current = sum(reference), sum(current)
    score = 0.0
    for r, c in zip(reference, current, strict=True):
        if r or c:
            p = max(r / rows_reference, SHARE_MIN)
            q = max(c / rows_current, SHARE_MIN)
            score += (q - p) * math.log(q / p)
    return score


def psi_at_edges(reference, current):
    """The same of two lists of cumulative counts, each ending with all values."""
    return psi(differences(reference), differences(current))


def differences(cumulative):
    return [high - low for low, high in zip([0, *cumulative[:-1]], cumulative)]


def ks_at_edges(reference, current):
    """Largest difference of two distribution functions known at the same edges only."""
    rows_reference, rows_current = reference[-1], current[-1]
    pairs = zip(reference, current, strict=True)
    return max(abs(r / rows_reference - c / rows_current) for r, c in pairs)


def categorical_figures(reference, current):
    """Figures of a string column from two mappings from category to count, null among them."""
    rows = sum(current.values())
    present_reference, present_current = without_null(reference), without_null(current)
    return {
        "missing_ratio": current.get(None, 0) / rows,
        "distinct": len(present_current),
        "psi": categorical_psi(present_reference, present_current),
    }


def without_null(counts):
    return {category: count for category, count in counts.items() if category is not None}


def categorical_psi(reference, current):
    """A frequent category of the reference is a bin; all others share one."""
    rows_reference, rows_current = sum(reference.values()), sum(current.values())
    frequent = [
        category
        for category, count in reference.items()
        if count >= CATEGORY_ROWS_MIN and 100 * count >= CATEGORY_SHARE_MIN_PERCENT * rows_reference
    ]
    binned_reference = [reference[category] for category in frequent]
    binned_current = [current.get(category, 0) for category in frequent]
    return psi(
        [*binned_reference, rows_reference - sum(binned_reference)],
        [*binned_current, rows_current - sum(binned_current)],
    )
