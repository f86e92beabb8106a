"""A tuning as a transform: what goes in comes out changed, in the same form."""

import pickle

import numpy as np
import pytest
from PIL import Image

from blackbox_dft import InputError, Tuning

TUNING = Tuning("color", np.array([0.5, 1.0, 0, 0, 0, 0]), (8, 8, 3))
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
CHANGED = TUNING(IMAGE[None])[0]
transform = TUNING.as_transform()


def test_arrays_and_pillow_images_come_back_as_they_came() -> None:
    assert (transform(IMAGE) == CHANGED).all()
    floats = transform(IMAGE / 255)
    assert floats.dtype == np.float32
    assert np.allclose(255 * floats, CHANGED)
    picture = transform(Image.fromarray(IMAGE))
    assert isinstance(picture, Image.Image)
    assert (np.asarray(picture) == CHANGED).all()


def test_images_of_another_size_become_the_tunings() -> None:
    assert transform(np.zeros((20, 10, 3), np.uint8)).shape == (8, 8, 3)
    assert transform(Image.new("RGB", (30, 20))).size == (8, 8)


def test_it_ignores_what_pipelines_add_and_can_be_pickled() -> None:
    assert (transform(IMAGE, rows=8, cols=8) == CHANGED).all()
    assert (pickle.loads(pickle.dumps(transform))(IMAGE) == CHANGED).all()
    assert repr(transform) == "Tuning(color, 6 numbers, images 8x8).as_transform()"


@pytest.mark.parametrize("image", [np.zeros((2, 8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4))])
def test_what_is_no_single_image_is_refused(image: object) -> None:
    with pytest.raises(InputError, match=r"takes one image \(H, W, 3\)"):
        transform(image)


def test_in_a_pipeline_of_torchvision() -> None:
    pytest.importorskip("torchvision", reason="needs pip install -e '.[test-data]'")
    import torch
    from torchvision.transforms import v2

    pipeline = v2.Compose([v2.Resize((8, 8)), transform, v2.ToImage()])
    assert (pipeline(Image.fromarray(IMAGE)).permute(1, 2, 0).numpy() == CHANGED).all()
    tensor = torch.from_numpy(IMAGE).permute(2, 0, 1)
    assert (transform(tensor).permute(1, 2, 0).numpy() == CHANGED).all()
    floats = v2.Compose([v2.ToDtype(torch.float32, scale=True), transform])(tensor)
    assert floats.dtype == torch.float32
    assert np.allclose(255 * floats.permute(1, 2, 0).numpy(), CHANGED)


def test_in_a_pipeline_of_albumentations() -> None:
    albumentations = pytest.importorskip("albumentations", reason="needs pip install -e '.[test-data]'")
    pipeline = albumentations.Compose([albumentations.Lambda(image=transform)])
    assert (pipeline(image=IMAGE)["image"] == CHANGED).all()


def test_it_is_shown_in_a_notebook() -> None:
    shown = TUNING._repr_html_()
    assert "Tuning(color, 6 numbers, images 8x8)" in shown
    assert shown.count("data:image/png;base64,") == 2
    assert "<td>bias</td><td>+1.00</td>" in shown
