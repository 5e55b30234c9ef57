"""What a user would build instead: small honest programs, each a Functions app, run by the same worker.

polling    the design of the FLUX guide: create, then ask every half second within the queue function
sdk_run    the official replicate SDK, replicate.async_run
sdk_wait   the official replicate SDK, predictions.async_create and async_wait
usual      Darkroom's own road, built the usual way: all Azure SDKs eager and with their defaults, httpx's own pool
bare       Darkroom with state, credits and safety replaced by no-ops: what the first three do, its way
"""
