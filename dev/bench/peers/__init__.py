"""What a user would build instead: small honest programs, each a Functions app, run by the same worker.

polling    the design of the FLUX guide: create, then poll every half second within the queue function
sdk_run    the official replicate SDK, replicate.async_run
sdk_wait   the official replicate SDK, predictions.async_create and async_wait
usual      Darkroom's own flow, built the usual way: all Azure SDKs eager and with their defaults, httpx's own pool
bare       Darkroom with no-ops for state, credits and safety: it does what the first three do, in Darkroom's way
"""
