"""The stand-in for Knative on one machine: it reads the manifests beside it and runs what they describe."""
