"""The tests: core (pure), worker (on fakes), adapters (fake and real), doors, dev (the local stack), stack (the road)."""
