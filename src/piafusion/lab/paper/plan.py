"""What a reproduction does, and how thoroughly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from piafusion.lab.paper.published import SECTIONS

STEPS = tuple(SECTIONS)
"""In the order of the paper."""

MARK = ".piafusion-reproduction"
"""Tells a folder that holds a reproduction, or the beginning of one."""


@dataclass(frozen=True)
class Schedule:
    """How each network of the ablations is trained.

    Attributes:
        seeds: How many times.
        changes: Settings other than those of the presets.
    """

    seeds: int = 1
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is done, and how thoroughly.

    Attributes:
        steps: Out of `STEPS`.
        methods: Comparison methods beside the baselines.
        scenes: Shown of each data set.
        sizes: Timed, the smallest first.
        budget: Seconds for each timing.
        inside: Pairs of each light that the network is looked into with.
        schedule: Of the ablations; the segmentation takes its number of seeds too.
        segmentation: Settings of the segmentation other than those of its preset.
        remarks: For the top of the page.
    """

    steps: Sequence[str]
    methods: Sequence[str]
    scenes: int = 5
    sizes: Sequence[tuple[int, int]] = ((320, 256), (640, 480), (1280, 720))
    budget: float = 10.0
    inside: int = 8
    schedule: Schedule = field(default_factory=Schedule)
    segmentation: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
