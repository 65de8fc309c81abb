"""Bulk fusion on Ray: the local batch's work, shared between the machines of a cluster.

`fuse_on_ray` is what `piafusion fuse --engine ray` calls; importing this loads no Ray.
"""

from __future__ import annotations

from piafusion.distributed.answers import Answer, FuserSettings
from piafusion.distributed.run import fuse_on_ray

__all__ = ["Answer", "FuserSettings", "fuse_on_ray"]
