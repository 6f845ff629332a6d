"""Moments of ln χ² with one degree of freedom: the law of a squared Gaussian return in logarithms."""

from __future__ import annotations

import math

MEAN = -1.2703628454614782
"""E ln χ²₁ = ψ(1/2) + ln 2 = −γ_E − ln 2."""

VARIANCE = math.pi**2 / 2.0
"""Var ln χ²₁ = ψ'(1/2)."""
