from __future__ import annotations

import numpy as np
import pytest

from portfolio_mm.theory import closed_form
from portfolio_mm.theory.avellaneda_stoikov import reservation_shift, spread


@pytest.mark.parametrize(("gamma", "average"), [(0.1, 1.49), (0.01, 1.35), (1.0, 3.02)])
def test_average_spread_of_the_paper(gamma, average):
    time_left = 1.0 - (np.arange(200) + 0.5) / 200
    assert spread(time_left, gamma, 4.0, 1.5).mean() == pytest.approx(average, abs=5e-3)


def test_reservation_price_of_the_paper():
    shift = reservation_shift(np.array([-2.0, 0.0, 5.0]), 0.5, 0.1, 4.0)
    np.testing.assert_allclose(shift, [0.4, 0.0, -1.0])


def test_closed_form_is_the_rule_at_its_derived_horizon():
    solution = closed_form.solve([[4e-8]], 0.01, 0.02, 1500.0, [400.0], inventory=1.0)
    horizon = solution.horizon[0, 0]
    assert -solution.skew[0] == pytest.approx(
        float(reservation_shift(1.0, horizon, 0.01, 4e-8)), rel=1e-6
    )
