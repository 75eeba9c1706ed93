"""Block lists: they are probed, asked about every IP, asked again about what is new, and what that means is decided."""

from email_engine.pipelines.rbl_sweep.confirm import confirm, due_at
from email_engine.pipelines.rbl_sweep.decide import decide
from email_engine.pipelines.rbl_sweep.probe import probe
from email_engine.pipelines.rbl_sweep.sweep import sweep

__all__ = ["confirm", "decide", "due_at", "probe", "sweep"]
