"""Screening: several screeners as one, each with its bound in time and its circuit breaker.

chain.py        ScreenerChain: ports.Screener; asks the free one first, then all others at once, and combines
blocklist.py    the own term list as a screener
secondary.py    Llama Guard on Replicate as a screener, through a port of one method
"""

from shared.adapters.screening.blocklist import BlocklistScreener
from shared.adapters.screening.chain import ImageLink, ScreenerChain, TextLink
from shared.adapters.screening.secondary import LlamaGuard, Predictions

__all__ = ["BlocklistScreener", "ImageLink", "LlamaGuard", "Predictions", "ScreenerChain", "TextLink"]
