"""What may be asked of /info about users: one structure per question, with its weight."""

from __future__ import annotations

from sim.server.queries import Coin, Query
from sim.server.scalars import Address, ClientId, Natural


class UserQuery(Query):
    """A question about one user."""

    user: Address


class UserDexQuery(Query):
    """A question about one user on one dex."""

    user: Address
    dex: Coin | None = ""


class AskState(UserDexQuery, tag="clearinghouseState"):
    """Positions and margin."""

    weight = 2


class AskSpotState(UserQuery, tag="spotClearinghouseState"):
    """Token balances."""

    weight = 2


class AskOrders(UserDexQuery, tag="openOrders"):
    """Open orders."""


class AskFrontendOrders(UserDexQuery, tag="frontendOpenOrders"):
    """Open orders with all their terms."""


class AskOrder(Query, tag="orderStatus"):
    """What became of an order."""

    weight = 2

    user: Address
    oid: Natural | ClientId


class AskHistoricalOrders(UserQuery, tag="historicalOrders"):
    """The last orders."""


class AskFills(Query, tag="userFills"):
    """The last fills."""

    user: Address
    aggregateByTime: bool | None = False


class Range(Query):
    """A question about one user and a range of time."""

    user: Address
    startTime: Natural
    endTime: Natural | None = None


class AskFillsByTime(Range, tag="userFillsByTime"):
    """Fills of a range of time."""

    aggregateByTime: bool | None = False


class AskFunding(Query, tag="userFunding"):
    """Funding payments."""

    user: Address
    startTime: Natural = 0
    endTime: Natural | None = None


class AskLedger(Query, tag="userNonFundingLedgerUpdates"):
    """Deposits and transfers."""

    user: Address
    startTime: Natural = 0
    endTime: Natural | None = None


class AskRateLimit(UserQuery, tag="userRateLimit"):
    """Requests of the address."""


class AskFees(UserQuery, tag="userFees"):
    """Fee rates."""


class AskAssetData(Query, tag="activeAssetData"):
    """Leverage and room to trade."""

    user: Address
    coin: Coin


class AskAbstraction(UserQuery, tag="userAbstraction"):
    """Account mode."""


class AskDexAbstraction(UserQuery, tag="userDexAbstraction"):
    """Whether the discontinued account mode is on."""


class AskRole(UserQuery, tag="userRole"):
    """What an address is."""

    weight = 60


class AskAgents(UserQuery, tag="extraAgents"):
    """Named agents."""


class AskSubAccounts(UserQuery, tag="subAccounts"):
    """Sub-accounts."""


class AskReferral(UserQuery, tag="referral"):
    """Referrals."""


class AskPortfolio(UserQuery, tag="portfolio"):
    """History of account value."""


class AskMaxBuilderFee(Query, tag="maxBuilderFee"):
    """What a builder may charge."""

    user: Address
    builder: Address


class AskApprovedBuilders(UserQuery, tag="approvedBuilders"):
    """Builders that may charge."""


class AskVaultEquities(UserQuery, tag="userVaultEquities"):
    """Shares in vaults."""


class AskTwapFills(UserQuery, tag="userTwapSliceFills"):
    """Fills of sliced orders."""


class AskTwapHistory(UserQuery, tag="twapHistory"):
    """Sliced orders."""


class AskDelegations(UserQuery, tag="delegations"):
    """Stakes."""


class AskDelegatorSummary(UserQuery, tag="delegatorSummary"):
    """Sums of stakes."""


class AskDelegatorHistory(UserQuery, tag="delegatorHistory"):
    """Staking events."""


class AskDelegatorRewards(UserQuery, tag="delegatorRewards"):
    """Staking rewards."""


class AskMultiSig(UserQuery, tag="userToMultiSigSigners"):
    """Signers of a multi-signature user."""


class AskSpotDeploy(UserQuery, tag="spotDeployState"):
    """The auction of tokens."""


AnyUserQuery = (
    AskState
    | AskSpotState
    | AskOrders
    | AskFrontendOrders
    | AskOrder
    | AskHistoricalOrders
    | AskFills
    | AskFillsByTime
    | AskFunding
    | AskLedger
    | AskRateLimit
    | AskFees
    | AskAssetData
    | AskAbstraction
    | AskDexAbstraction
    | AskRole
    | AskAgents
    | AskSubAccounts
    | AskReferral
    | AskPortfolio
    | AskMaxBuilderFee
    | AskApprovedBuilders
    | AskVaultEquities
    | AskTwapFills
    | AskTwapHistory
    | AskDelegations
    | AskDelegatorSummary
    | AskDelegatorHistory
    | AskDelegatorRewards
    | AskMultiSig
    | AskSpotDeploy
)
