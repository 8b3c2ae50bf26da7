"""What things cost on this machine. Run by hand: `python -m tests.benchmarks.NAME`. No test depends on the figures."""
