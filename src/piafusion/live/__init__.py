"""Live: two sources are fused while they run, and watched in browsers.

`session` plays, fuses and records in threads and keeps the newest picture; `app` serves it with a
page; `scene` is a source for those who have no cameras at hand.
"""
