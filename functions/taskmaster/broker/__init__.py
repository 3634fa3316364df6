"""Kafka, or Dapr: publishing, the publish loop over the outbox, topics read and made. Start at `outbox.publish`."""
