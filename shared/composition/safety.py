"""Content safety: the policy, and the screeners in the order of SCREENERS."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.part import Ping
from shared.composition.proofs import ProofsPart
from shared.config import data_files
from shared.core.safety.moderation import BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD, Policy

if TYPE_CHECKING:
    from shared.adapters.content_safety import ContentSafety
    from shared.adapters.screening import ScreenerChain
    from shared.adapters.screening.chain import TextScreener


class SafetyPart(ProofsPart):
    """The policy and the screeners."""

    def pings(self) -> Mapping[str, Ping]:
        """Add Content Safety."""
        # Only the service is asked: the chain may call a model that costs money, and anybody may call health.
        return {**super().pings(), "content safety": lambda: self.content_safety.text("health")}

    @cached_property
    def policy(self) -> Policy:
        """What is refused, from which severity. Raises SettingsError for a wrong file."""
        return data_files.policy(self.settings, self._texts)

    @cached_property
    def screener(self) -> "ScreenerChain":
        """The screeners, in the order of SCREENERS."""
        from shared.adapters.screening import ImageLink, ScreenerChain, TextLink

        service = self.content_safety
        made = {CONTENT_SAFETY: lambda: service, BLOCKLIST: self._blocklist, LLAMA_GUARD: self._llama_guard}
        texts = [TextLink(name, made[name]()) for name in self.settings.screeners]
        return ScreenerChain(self.policy, texts, [ImageLink(CONTENT_SAFETY, service)], time.monotonic)

    @cached_property
    def content_safety(self) -> "ContentSafety":
        """Azure AI Content Safety, which assesses every category."""
        from shared.adapters.content_safety import ContentSafety

        settings = self.settings
        key = settings.content_safety_key or None
        credential = None if key else self.credential
        service = ContentSafety(
            settings.content_safety_endpoint,
            key=key,
            credential=credential,
            blocklists=settings.content_safety_blocklists,
        )
        self._closing.push_async_callback(service.close)
        return service

    def _blocklist(self) -> "TextScreener":
        from shared.adapters.screening import BlocklistScreener

        return BlocklistScreener(data_files.blocklist(self.settings, self._texts))

    def _llama_guard(self) -> "TextScreener":
        from shared.adapters.replicate.running import ModelRunner
        from shared.adapters.screening import LlamaGuard

        # A second less than the chain waits, so that the error is the model's own and not only "too slow".
        within_s = max(1.0, self.policy.rule(LLAMA_GUARD).timeout_s - 1)
        return LlamaGuard(ModelRunner(lambda: self.replicate.api), self.settings.llama_guard_model, within_s)
