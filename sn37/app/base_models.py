"""Find the best model of the pre-training subnet that a competition would admit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from sn37.domain.base_models import BaseModel
from sn37.domain.constraints import ModelFacts, violations
from sn37.domain.models import ModelConstraints, ModelRef
from sn37.ports.errors import ModelNotPublic, ModelRejected

FactsOf = Callable[[ModelRef], Awaitable[ModelFacts]]


async def best_base_model(
    ranked: Iterable[BaseModel], constraints: ModelConstraints, facts_of: FactsOf
) -> BaseModel | None:
    """The first of ``ranked`` that keeps every limit; ``None`` when none does.

    Args:
        facts_of: Measures one model. Called until one fits, so downloading is not needed for
            those behind it. A model that is private or unsafe is passed over.

    Raises:
        Unavailable: The model host does not answer.
    """
    for candidate in ranked:
        try:
            facts = await facts_of(candidate.commitment.model)
        except (ModelNotPublic, ModelRejected):
            continue
        if not violations(facts, constraints):
            return candidate
    return None
