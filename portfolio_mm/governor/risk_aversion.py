"""Risk aversion: one log-additive number for the whole portfolio.

    ln γ = ln γ_base + ln((1 + β u²)/(1 + β)),    γ_base = max(1/(φE), γ_ν)
    u² = xᵀΣx / (ν²E²/86 400)

φ is the Kelly fraction, and γ_ν the risk aversion at which the volatility of inventory meets the
budget ν. u² is one at budget, where the factor is one. Continuous in inventory; nothing else in the
engine multiplies γ or a spread. MODEL section 3.
"""

from __future__ import annotations

from portfolio_mm.types import DAY_S, Floats


def utilisation(
    inventory: Floats, covariance: Floats, volatility_budget: float, equity: float
) -> float:
    """Return u², the variance of inventory over its budget; 1 at budget."""
    variance = float(inventory @ covariance @ inventory)
    return variance * DAY_S / (volatility_budget * equity) ** 2


def base(kelly_fraction: float, equity: float, gamma_volatility: float) -> float:
    """Return γ_base = max(1/(φE), γ_ν), 1/USD."""
    return max(1.0 / (kelly_fraction * equity), gamma_volatility)


def aversion(gamma_base: float, beta: float, u2: float) -> float:
    """Return γ = γ_base (1 + βu²)/(1 + β), 1/USD."""
    return gamma_base * (1.0 + beta * u2) / (1.0 + beta)
