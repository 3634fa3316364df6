"""Dapr in the place of KafkaSources: daprd, its scheduler, Redis and the bridge, as processes of this machine.

Start at `side.DaprSide`. Its Components have the shape of those in the chart (components.py).
"""
