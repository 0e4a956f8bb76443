"""The sandbox: Clari Copilot in both dialects, Semarize and the sinks, emulated over real HTTP on loopback.

For trying and for testing; nothing in the product depends on it. A world of calls is made from a seed, with the traps
that the real data has; limits are enforced as the vendor's are; statuses ripen with time; faults can be switched on.

    with Sandbox(SandboxOptions(days=14)) as sandbox:
        os.environ.update(sandbox.environment())
"""

from copilot_pipeline.sandbox.options import SandboxOptions
from copilot_pipeline.sandbox.process import Sandbox

__all__ = ["Sandbox", "SandboxOptions"]
