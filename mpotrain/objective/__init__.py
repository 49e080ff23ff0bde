"""What is minimised: losses, retention, the frozen reference, and the objective that joins them.

A method with losses on states has a file of its own, which registers it when it is imported here.
"""

from mpotrain.objective import cla, lens, mlc

__all__ = ["cla", "lens", "mlc"]
