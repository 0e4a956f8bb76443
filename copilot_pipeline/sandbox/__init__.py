"""The sandbox: Clari Copilot, Semarize and the sinks, emulated on loopback.

It is used by the demo and by tests; nothing else in the product depends on it. Calls are generated from a seed, with
the irregularities of real data. Limits are enforced like the vendor's, processing of calls takes time, and faults can
be switched on.

    with Sandbox(SandboxOptions(days=14)) as sandbox:
        os.environ.update(sandbox.environment())
"""

from copilot_pipeline.sandbox.options import SandboxOptions
from copilot_pipeline.sandbox.process import Sandbox

__all__ = ["Sandbox", "SandboxOptions"]
