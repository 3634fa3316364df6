"""What the operations share: rules, events, the door, the unit of work and its adapters."""
