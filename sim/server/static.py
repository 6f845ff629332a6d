"""Answers that are the same for everybody, or that describe what this venue does not have."""

from __future__ import annotations

from typing import Any

from portfolio_mm.rules.fees import (
    REBATE_TIERS,
    REFERRAL_DISCOUNT,
    STAKING_TIERS,
    VOLUME_TIERS,
    fee_rates,
)
from sim.server import text

Shape = dict[str, Any]

PERIODS = (
    "day",
    "week",
    "month",
    "allTime",
    "perpDay",
    "perpWeek",
    "perpMonth",
    "perpAllTime",
)


def _token(index: int, name: str, sz_decimals: int, wei: int, full_name: str | None) -> Shape:
    return {
        "name": name,
        "szDecimals": sz_decimals,
        "weiDecimals": wei,
        "index": index,
        "tokenId": f"0x{index:032x}",
        "isCanonical": index < 2,
        "evmContract": None,
        "fullName": full_name,
        "deployerTradingFeeShare": "0.0",
    }


SPOT_META: Shape = {
    "tokens": [
        _token(0, "USDC", 8, 8, None),
        _token(1, "PURR", 0, 5, None),
        _token(2, "HFUN", 2, 8, "HyperFun"),
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
        {"name": "@1", "tokens": [2, 0], "index": 1, "isCanonical": False},
    ],
}
"""Spot pairs are listed, because clients ask for them by name, but do not trade here."""

SPOT_PAIRS = tuple(pair["name"] for pair in SPOT_META["universe"])


def spot_context(pair: str) -> Shape:
    """Return the state of a spot pair."""
    return {
        "prevDayPx": "1.0",
        "dayNtlVlm": "0.0",
        "markPx": "1.0",
        "midPx": None,
        "circulatingSupply": "0.0",
        "coin": pair,
        "totalSupply": "0.0",
        "dayBaseVlm": "0.0",
    }


def fee_schedule() -> Shape:
    """Return the fees of the venue's own markets."""
    _, taker, maker = VOLUME_TIERS[0]
    return {
        "cross": text.decimal(taker),
        "add": text.decimal(maker),
        "spotCross": "0.0007",
        "spotAdd": "0.0004",
        "tiers": {
            "vip": [
                {
                    "ntlCutoff": text.decimal(cutoff),
                    "cross": text.decimal(cross),
                    "add": text.decimal(add),
                    "spotCross": "0.0007",
                    "spotAdd": "0.0004",
                }
                for cutoff, cross, add in VOLUME_TIERS[1:]
            ],
            "mm": [
                {"makerFractionCutoff": text.decimal(cutoff), "add": text.decimal(add)}
                for cutoff, add in REBATE_TIERS
            ],
        },
        "referralDiscount": text.decimal(REFERRAL_DISCOUNT),
        "stakingDiscountTiers": [
            {"bpsOfMaxSupply": text.decimal(staked / 1e5), "discount": text.decimal(discount)}
            for staked, discount in ((0.0, 0.0), *STAKING_TIERS)
        ],
    }


def user_fees() -> Shape:
    """Return the fees of a user: those of the lowest tier."""
    rates = fee_rates()
    return {
        "dailyUserVlm": [],
        "feeSchedule": fee_schedule(),
        "userCrossRate": text.decimal(rates.taker),
        "userAddRate": text.decimal(rates.maker),
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def referral(volume: str, referrer: str | None) -> Shape:
    """Return the referral state of a user."""
    return {
        "referredBy": None if referrer is None else {"referrer": "0x" + "0" * 40, "code": referrer},
        "cumVlm": volume,
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "tokenToState": [],
        "referrerState": None,
        "rewardHistory": [],
    }


DELEGATOR_SUMMARY: Shape = {
    "delegated": "0.0",
    "undelegated": "0.0",
    "totalPendingWithdrawal": "0.0",
    "nPendingWithdrawals": 0,
}

AUCTION: Shape = {
    "startTimeSeconds": 0,
    "durationSeconds": 0,
    "startGas": "0.0",
    "currentGas": None,
    "endGas": "0.0",
}

SPOT_DEPLOY: Shape = {"states": [], "gasAuction": AUCTION}
