"""Video: two sources in, their frames matched by timestamp and fused, one video out.

A thread decodes each source (`reader`, `sources`, `live`) into a bounded queue (`queues`). The
caller's thread pairs frames (`matching`) and hands them to threads that fuse; one more thread
encodes (`writers`). `pipeline.fuse_video` puts them together.
"""

from piafusion.errors import needing

with needing("video", "video"):
    import av as av
