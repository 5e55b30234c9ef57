"""Screening: several screeners behind one port, each with its own time limit and circuit breaker.

chain.py        ScreenerChain (ports.Screener): calls the free screener first, then all others at once, and combines
blocklist.py    the blocklist as a screener
secondary.py    Llama Guard on Replicate as a screener, through a port of one method
"""

from shared.adapters.screening.blocklist import BlocklistScreener
from shared.adapters.screening.chain import ImageLink, ScreenerChain, TextLink
from shared.adapters.screening.secondary import LlamaGuard, Predictions

__all__ = ["BlocklistScreener", "ImageLink", "LlamaGuard", "Predictions", "ScreenerChain", "TextLink"]
