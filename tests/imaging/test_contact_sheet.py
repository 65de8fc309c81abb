import numpy as np

from piafusion.imaging.contact_sheet import contact_sheet
from tests.conftest import scene


def test_every_picture_is_on_the_sheet_with_its_pixels() -> None:
    infrared, visible = scene(40, 60)
    other_infrared, other_visible = scene(30, 50, seed=1)
    sheet = contact_sheet(
        [
            {"infrared": infrared, "visible": visible},
            {"infrared": other_infrared, "visible": (other_visible / 255).astype(np.float32)},
        ]
    )
    assert sheet.dtype == np.uint8
    windows = np.lib.stride_tricks.sliding_window_view
    for picture in (visible, other_visible, np.stack([infrared] * 3, axis=2)):
        places = windows(sheet, picture.shape)[:, :, 0]
        first = (places[..., :2, :2, :] == picture[:2, :2]).all(axis=(-3, -2, -1))
        assert any((places[tuple(at)] == picture).all() for at in np.argwhere(first))
