"""The plans: what an account has subscribed to.

Rules of this file:
1. A plan is data (shared/core/catalog/plans.toml, read by plans_file.py). An account keeps the name of its plan, so a
   changed file changes the plan of every account that has it.
2. An account without a plan has the default plan. A name that no plan has is no plan at all: it never stands for
   another one.
3. A plan only says what holds. The allowance is granted, and the limits are checked, where the credits move.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from shared.core.catalog.tiers import Tier
from shared.core.money.allowance import Allowance
from shared.core.money.limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan. It includes every model of its tier and of the tiers below.

    ``default_models`` are the models of requests that name none, by modality. ``concurrency`` is how many generations
    of an account may be in flight (None: no bound). ``weight`` is the share of an account beside the others.
    ``min_margin_percent`` is the least margin of the models that it is sold (None: none may lose money).
    """

    name: str
    tier: Tier
    default_models: Mapping[str, str]
    allowance: Allowance | None = None
    limits: tuple[Limit, ...] = ()
    concurrency: int | None = None
    weight: int = 1
    min_margin_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Plans(Mapping[str, Plan]):
    """All plans by name. ``default`` names the plan of an account that has none."""

    version: str
    plans: Mapping[str, Plan]
    default: str

    def __getitem__(self, name: str) -> Plan:
        return self.plans[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plans)

    def __len__(self) -> int:
        return len(self.plans)

    def find(self, name: str) -> Plan | None:
        """The plan of an account. An empty name is the default plan. None: no plan has this name (any more)."""
        return self.plans.get(name or self.default)

    @property
    def digest(self) -> str:
        """16 hex digits that change with any value of any plan, whatever the version says."""
        content = json.dumps(
            [self.default, [asdict(self.plans[name]) for name in sorted(self.plans)]], sort_keys=True, allow_nan=False
        )
        return hashlib.sha256(content.encode()).hexdigest()[:16]
