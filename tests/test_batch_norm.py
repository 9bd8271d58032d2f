"""Batch-norm layers that expect the inputs that come."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")

from analytic_cl import LDAClassifier  # noqa: E402
from analytic_cl.adaptation import renew_batch_norm  # noqa: E402
from analytic_cl.extractors import ContinualPipeline, TorchExtractor  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(60, 3, 6, 6)).astype(np.float32)


def network():
    torch.manual_seed(0)
    nn = torch.nn
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)
    module = nn.Sequential(*layers)
    with torch.no_grad():
        module.train()(torch.as_tensor(IMAGES))
    return module.eval()


def test_statistics_are_those_of_old_and_new_inputs_together():
    old, new = RNG.normal(size=(200, 3)), RNG.normal(3, 2, size=(100, 3)).astype(np.float32)
    layer = torch.nn.BatchNorm1d(3)
    layer.running_mean.copy_(torch.as_tensor(old.mean(axis=0)))
    layer.running_var.copy_(torch.as_tensor(old.var(axis=0)))
    renewed = renew_batch_norm(TorchExtractor(torch.nn.Sequential(layer)), [new], pseudo_count=200).module[0]
    both = np.vstack([old, new])

    np.testing.assert_allclose(renewed.running_mean.numpy(), both.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(renewed.running_var.numpy(), both.var(axis=0), rtol=1e-5)


def test_every_layer_is_renewed_by_what_renewed_layers_before_it_make():
    renewed = renew_batch_norm(TorchExtractor(network()), [3 * IMAGES + 2], pseudo_count=0)
    with torch.no_grad():
        out = renewed.module(torch.as_tensor(3 * IMAGES + 2)).numpy()

    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3)), 1, rtol=1e-3)


def test_how_inputs_are_cut_into_batches_makes_no_difference_and_the_old_extractor_stays():
    extractor = TorchExtractor(network())
    before = extractor.transform(IMAGES)
    one, many = (renew_batch_norm(extractor, parts) for parts in ([IMAGES + 1], np.split(IMAGES + 1, 6)))

    np.testing.assert_allclose(one.transform(IMAGES), many.transform(IMAGES), atol=1e-5)
    np.testing.assert_array_equal(extractor.transform(IMAGES), before)
    unmoved = renew_batch_norm(extractor, [IMAGES], pseudo_count=1e12)
    np.testing.assert_allclose(unmoved.transform(IMAGES), before, atol=1e-5)


def test_a_state_behind_the_old_extractor_refuses_the_new_one():
    extractor = TorchExtractor(network())
    renewed = renew_batch_norm(extractor, [IMAGES + 1])
    assert renewed.fingerprint() != extractor.fingerprint()
    y = np.arange(60) % 2
    old, new = (ContinualPipeline(each, LDAClassifier()).fit(IMAGES, y) for each in (extractor, renewed))
    with pytest.raises(ValueError, match=r"quantizer|extractor"):
        old.merge(new)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: renew_batch_norm(network(), [IMAGES]), TypeError, r"TorchExtractor\(module\)"),
        (lambda: renew_batch_norm(TorchExtractor(network()), []), ValueError, "no inputs"),
        (lambda: renew_batch_norm(TorchExtractor(torch.nn.Conv2d(3, 2, 3)), [IMAGES]), ValueError, "no batch-norm"),
        (lambda: renew_batch_norm(TorchExtractor(network()), [IMAGES], -1), ValueError, "pseudo_count"),
    ],
)
def test_what_can_not_be_renewed_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
