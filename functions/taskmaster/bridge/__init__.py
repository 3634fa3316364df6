"""The bridge from Dapr to the functions: one small process beside daprd, which does for Dapr what KafkaSource does.

daprd hands each event to it, and it makes of that the request that KafkaSource would have made for the record. It keeps
nothing: what it has not answered, Dapr delivers again. Start at `bridge.Bridge`; docs/dapr.md says when to use it.
"""
