"""Kafka: the producer, the publish loop over the outbox, topics and ACLs. Start at `outbox.publish`."""
