"""Faults made on purpose against real processes, and whether what must hold did hold."""
