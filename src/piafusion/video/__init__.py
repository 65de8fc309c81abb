"""Video: frames of two sources are matched by time and fused; one video comes out.

A thread for each source decodes it (`sources`, `live`) into a bounded queue (`decoding`). The
thread of the caller pairs the frames (`matching`) for the threads that fuse; one more thread
encodes (`writers`). `pipeline.fuse_video` connects them.
"""

from piafusion.errors import needing

with needing("video", "video"):
    import av as av
