"""Webhooks: the services' events delivered over HTTPS to whoever subscribed to them.

The relay hands an event to its subscribers in the transaction that takes it out of the outbox (fan_out), a
worker posts what waits (courier), the routes under /v1/subscriptions manage it (http). What may be known by
whom (terms), what a callback may be (callbacks) and how a delivery is signed (signatures) is pure.
"""
