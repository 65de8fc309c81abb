"""Light and air at an hour between day and night: what the sun, the sky and the lamps send."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piafusion.scenes.texture import Array, rgb, smoothstep

NIGHT_ELEVATION, DAY_ELEVATION = -14.0, 50.0
"""Height of the sun, in degrees, for a daylight of 0 and 1."""

# Elevation of the sun in degrees, and the common logarithm of the light of the sky.
_SKYLIGHT = ((-14.0, -2.4), (-9.0, -2.05), (-5.0, -1.35), (-1.0, -0.75), (6.0, -0.45), (50.0, -0.3))
# Elevation, then linear RGB of the sky at the horizon and overhead, and of clouds.
_SKY = (
    (-14.0, (0.020, 0.019, 0.023), (0.003, 0.004, 0.009), (0.014, 0.012, 0.013)),
    (-9.0, (0.040, 0.036, 0.050), (0.006, 0.009, 0.024), (0.020, 0.018, 0.024)),
    (-5.0, (0.22, 0.13, 0.12), (0.022, 0.040, 0.105), (0.085, 0.060, 0.070)),
    (-1.0, (0.62, 0.36, 0.24), (0.070, 0.125, 0.300), (0.36, 0.22, 0.19)),
    (4.0, (0.74, 0.60, 0.46), (0.110, 0.220, 0.520), (0.86, 0.66, 0.52)),
    (14.0, (0.66, 0.74, 0.86), (0.125, 0.280, 0.680), (1.30, 1.22, 1.12)),
    (50.0, (0.60, 0.76, 0.96), (0.130, 0.300, 0.720), (1.45, 1.42, 1.38)),
)


@dataclass(frozen=True)
class Hour:
    """Light in linear RGB, temperatures in degrees Celsius.

    Attributes:
        sun: Unit vector towards the sun.
        sunlight: Light of the sun on a surface that faces it.
        skylight: Light of the sky from above.
        horizon: Colour of the sky near the horizon.
        zenith: Colour of the sky overhead.
        cloud: Colour of clouds.
        lamps: How far lamps, headlights and windows are on, 0 to 1.
        exposure: Factor of the camera.
        grain: Deviation of the camera's noise, in square roots of exposed light.
        air: Temperature of the air.
        sky: Apparent temperature of a clear sky overhead.
        solar: Degrees above the air of a surface in the sun.
        stored: Degrees above the air that standing things keep from the day.
    """

    sun: tuple[float, float, float]
    sunlight: Array
    skylight: Array
    horizon: Array
    zenith: Array
    cloud: Array
    lamps: float
    exposure: float
    grain: float
    air: float
    sky: float
    solar: float
    stored: float


def hour_of(daylight: float, azimuth: float, fog: float = 0.0) -> Hour:
    """Return the light at an hour.

    Args:
        daylight: 0 at night to 1 by day; the sun rises through the horizon near 0.22.
        azimuth: Where the sun stands, in radians from ahead to the right.
        fog: 0 is clear, 1 thick: it spreads the light of the sun over the sky.
    """
    elevation = NIGHT_ELEVATION + (DAY_ELEVATION - NIGHT_ELEVATION) * daylight
    angles, logarithms = zip(*_SKYLIGHT, strict=True)
    sky = 10.0 ** float(np.interp(elevation, angles, logarithms))
    height = np.radians(max(elevation, 0.5))
    sun = (
        float(np.cos(height) * np.sin(azimuth)),
        float(np.sin(height)),
        float(np.cos(height) * np.cos(azimuth)),
    )
    air_mass = 1 / (np.sin(height) + 0.03)
    up = float(smoothstep(-0.8, 5.0, elevation))
    through = np.exp(-np.array([0.035, 0.062, 0.115], np.float32) * air_mass)
    sunlight = np.asarray(2.75 * up * through, np.float32)
    direct = float(np.exp(-4.0 * fog))
    blue = rgb(0.70, 0.85, 1.08) if elevation > -3 else rgb(0.80, 0.86, 1.0)
    lamps = 1 - float(smoothstep(-5.0, 3.0, elevation))
    steps, *colours = zip(*_SKY, strict=True)
    horizon, zenith, cloud = (
        np.array(
            [np.interp(elevation, steps, [row[c] for row in column]) for c in range(3)], np.float32
        )
        for column in colours
    )
    air = 7.0 + 9.0 * float(smoothstep(0.0, 0.9, daylight))
    return Hour(
        sun=sun,
        sunlight=sunlight * np.float32(direct),
        skylight=np.asarray(
            sky * blue + 0.3 * (1 - direct) * np.sin(height) * sunlight, np.float32
        ),
        horizon=horizon,
        zenith=zenith,
        cloud=cloud,
        lamps=lamps,
        exposure=float(np.interp(elevation, (-14, -5, 0, 8, 50), (0.92, 0.95, 1.0, 0.86, 0.68))),
        grain=float(np.interp(elevation, (-14, -4, 6, 50), (0.016, 0.011, 0.006, 0.004))),
        air=air,
        sky=air - 26.0,
        solar=7.5 * direct * up * float(np.sin(height)) ** 0.4,
        stored=2.0 * float(smoothstep(0.0, 0.5, daylight)),
    )
