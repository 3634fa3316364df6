"""What a source of Knative's sends for a record, and how it takes the answer: the one account of it here.

The stand-in for Knative (knative/local) delivers by it, and so does the bridge to Dapr (taskmaster.bridge): a function
gets the same request from KafkaSource, from the stand-in and from the bridge. Start at `cloud_event.from_record`.
"""
