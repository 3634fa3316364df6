"""What is wrong with an installation, why it matters and what mends it. Start at `checkup.examine`."""
