"""What our own size does to the price that we will have to unwind at.

A fill of z takes the share z / (z + Q) of the size that stood between fair value and the quote, Q of
it from others. Unwinding has to find that much again on the other side, where takers thin out with
1/κ: the expected concession is η · share / κ. On a thick book it vanishes, on an empty one it is a
fixed part of the monopoly term. η is a prior.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats


def concession(
    side: int,
    price: Floats,
    book_price: Floats,
    book_size: Floats,
    size: Floats,
    decay: Floats,
    eta: float,
) -> Floats:
    """Return the self-impact of a fill at each candidate of one side, (N, L), fraction.

    Parameters
    ----------
    side
        +1 for bids, −1 for asks.
    price : (N, L)
        Candidate prices.
    book_price, book_size : (N, D)
        That side of the book in USD and contracts; NaN and 0 where absent.
    size, decay : (N,)
        z in USD and κ in 1/fraction.
    eta
        η, the concession at full share, in units of 1/κ.
    """
    at_or_better = side * (book_price[:, None, :] - price[:, :, None]) >= 0.0
    notional = np.nan_to_num(book_price) * book_size
    ahead = np.sum(np.where(at_or_better, notional[:, None, :], 0.0), axis=2)
    share: Floats = size[:, None] / (size[:, None] + ahead)
    impact: Floats = eta * share / decay[:, None]
    return impact
