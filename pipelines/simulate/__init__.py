"""The simulated hospital of `demo`."""

from pipelines.simulate.hospital import Simulated, simulate_hospital

__all__ = ["Simulated", "simulate_hospital"]
