"""The demo: a story told on the stand-in for Knative, each claim checked. Start at `__main__.main`."""
