"""The tests.

core (pure) · worker (on fakes) · adapters (fake and real alike) · triggers · cli · reliability · infra · dev (the local
stack itself) · stack (the whole road on it) · bench
"""
