"""The scripts' models and training steps in plain PyTorch, channels last, float32: what the benchmark compares with.

They have the layers, widths, strides and losses of the scripts. Metrics, schedules of the learning rate and a few cheap
operations (free bits, the blank's mask) are left out, which favours PyTorch a little. They are not meant to be trained.
An `..._epoch` function returns one that trains a model on all batches once.
"""

from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, the name by which PyTorch's users know it
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

DEVICE = "cpu"  # or "cuda"; whoever times decides


def ready(model):
    """Return a model on DEVICE, its kernels channels last in memory."""
    return model.to(DEVICE, memory_format=torch.channels_last)


def wait():
    """Wait for the GPU, which works on while Python goes on."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def descend(optimizer, loss):
    """Move an optimiser's weights by one step down a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def draw(latent):
    """Return z, `z_mean` and `z_log_var`, each (batch, dimensions), of the two joined."""
    z_mean, z_log_var = latent.chunk(2, dim=1)
    return z_mean + torch.exp(z_log_var / 2) * torch.randn_like(z_mean), z_mean, z_log_var


def kl(z_mean, z_log_var):
    """Return the divergence from N(0, I) in nats, averaged over the batch."""
    return -0.5 * (1 + z_log_var - z_mean**2 - z_log_var.exp()).sum() / len(z_mean)


def conv_net(filters, outputs):
    """Return `shared_blocks.build_conv_net` for 64x64 pictures: (batch, 3, 64, 64) -> (batch, outputs)."""
    widths = [3, *[filters] * 5]
    convolutions = [
        module
        for before, after in pairwise(widths)
        for module in (nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU())
    ]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(4 * filters, outputs))


def deconv_net(filters, latent_dim, activation):
    """Return `shared_blocks.build_deconv_net` for 64x64 pictures: (batch, latent_dim) -> (batch, 3, 64, 64)."""
    widths = [64, *[filters] * 4]
    deconvolutions = [
        module
        for before, after in pairwise(widths)
        for module in (nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), nn.ReLU())
    ]
    head = (nn.Linear(latent_dim, 1024), nn.Unflatten(1, (64, 4, 4)))
    return nn.Sequential(*head, *deconvolutions, nn.Conv2d(filters, 3, 3, padding=1), activation)


def to_pictures(images, divisor, shift):
    """Return uint8 (batch, height, width, 3) as float (batch, 3, height, width), channels last in memory."""
    pictures = torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2).float() / divisor - shift
    return pictures.contiguous(memory_format=torch.channels_last)


def pictures_epoch(step, images, batch_size, divisor=127.5, shift=1):
    """Return a function that makes a step with each batch of pictures, uint8 (count, 64, 64, 3), scaled to [-1, 1].

    Args:
        step: function of float pictures (batch, 3, 64, 64).
        images: the pictures.
        batch_size: pictures in a batch.
        divisor: of their values.
        shift: that is taken off then.
    """

    def train():
        for start in range(0, len(images), batch_size):
            step(to_pictures(images[start : start + batch_size], divisor, shift))
        wait()

    return train


def vae_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the VAE on all pictures, uint8 (count, 64, 64, 3), once."""
    encoder, decoder = ready(conv_net(filters, 2 * latent_dim)), ready(deconv_net(filters, latent_dim, nn.Sigmoid()))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

    def step(pictures):
        z, *latent = draw(encoder(pictures))
        reconstruction = F.binary_cross_entropy(decoder(z), pictures, reduction="sum") / batch_size
        descend(optimizer, reconstruction + 8 * kl(*latent))

    return pictures_epoch(step, images, batch_size, divisor=255, shift=0)


def average_of(network):
    """Return a running mean of a network's weights; `update_parameters` moves it."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.999))


def adam(*networks):
    """Return the optimiser of the GANs for the weights of some networks."""
    parameters = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))


@contextmanager
def held_still(network):
    """Let gradients pass through a network without those of its weights being computed."""
    network.requires_grad_(False)
    yield
    network.requires_grad_(True)


def slopes(discriminator, pictures, logits, *labels):
    """Return the mean squared slope at pictures (batch, ...) whose logits are given, found by a random step."""
    moved = pictures + 0.1 * torch.randn_like(pictures)
    return ((discriminator(moved, *labels) - logits) / 0.1).square().mean()


def adversarial_step(generator, discriminator, latent_dim, *, averaged=False, penalty=0.0):
    """Return a function (real pictures, *labels) that trains both networks, each on its own loss.

    Args:
        generator: module of (noise, *labels).
        discriminator: module of (pictures, *labels) that gives logits.
        latent_dim: length of the noise.
        averaged: whether a running mean of the generator's weights is kept.
        penalty: weight of the squared slopes at real and generated pictures.
    """
    generator, discriminator = ready(generator), ready(discriminator)
    optimizers = adam(discriminator), adam(generator)
    average = average_of(generator) if averaged else None

    def step(real, *labels):
        fake = generator(torch.randn(len(real), latent_dim, device=DEVICE), *labels)
        judged = real, fake.detach()
        logits = [discriminator(pictures, *labels) for pictures in judged]
        loss = (F.softplus(-logits[0]) + F.softplus(logits[1])).mean() / 2
        if penalty:
            pairs = zip(judged, logits, strict=True)
            loss = loss + penalty / 2 * sum(slopes(discriminator, *pair, *labels) for pair in pairs)
        descend(optimizers[0], loss)
        with held_still(discriminator):
            descend(optimizers[1], F.softplus(-discriminator(fake, *labels)).mean())
        if averaged:
            average.update_parameters(generator)

    return step


def gan_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the GAN on all pictures, uint8 (count, 64, 64, 3), once."""
    step = adversarial_step(deconv_net(filters, latent_dim, nn.Tanh()), conv_net(filters, 1), latent_dim)
    return pictures_epoch(step, images, batch_size)


class ToldDeviation(nn.Module):
    """The discriminator of 64x64 faces that is told how much the pictures of a batch differ."""

    def __init__(self, filters):
        super().__init__()
        self.first = conv_net(filters, 1)[:8]
        self.last = nn.Sequential(nn.Conv2d(filters + 1, filters, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * filters, 1)

    def forward(self, pictures):
        """Return logits (batch, 1) of pictures (batch, 3, 64, 64)."""
        x = self.first(pictures)
        deviation = x.var(dim=0, unbiased=False).add(1e-7).sqrt().mean()
        return self.head(self.last(torch.cat([x, deviation.expand_as(x[:, :1])], dim=1)))


def stable_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the stable GAN on all pictures, uint8 (count, 64, 64, 3), once."""
    networks = deconv_net(filters, latent_dim, nn.Tanh()), ToldDeviation(filters)
    return pictures_epoch(adversarial_step(*networks, latent_dim, averaged=True), images, batch_size)


def vaegan_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the VAE-GAN on all pictures, uint8 (count, 64, 64, 3), once."""
    encoder, generator = ready(conv_net(filters, 2 * latent_dim)), ready(deconv_net(filters, latent_dim, nn.Tanh()))
    discriminator = ready(conv_net(filters, 1))
    featured, rest = discriminator[:6], discriminator[6:]
    averages = [average_of(network) for network in (encoder, generator)]
    optimizers = adam(discriminator), adam(encoder, generator)

    def step(real):
        z, *latent = draw(encoder((real + 1) / 2))
        generated = [generator(codes) for codes in (torch.randn_like(z), z.detach())]
        features = featured(real)
        logits, fakes = rest(features), [discriminator(pictures.detach()) for pictures in generated]
        loss = (F.softplus(-logits) + sum(map(F.softplus, fakes)) / 2).mean() / 2
        descend(optimizers[0], loss + slopes(discriminator, real[::4], logits[::4]) / 2)
        wanted = features.detach()
        with held_still(discriminator):
            adversarial = sum(F.softplus(-discriminator(pictures)).mean() for pictures in generated) / 2
            errors = ((featured(generator(z)) - wanted) / wanted.std(dim=(0, 2, 3), keepdim=True)).square()
            descend(optimizers[1], adversarial + 2 * (errors.mean() + 1e-3 * kl(*latent)))
        for average, network in zip(averages, (encoder, generator), strict=True):
            average.update_parameters(network)

    return pictures_epoch(step, images, batch_size)


def autoencoder_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains an autoencoder on all pictures, uint8 (count, 64, 64, 3), once."""
    model = ready(nn.Sequential(conv_net(filters, latent_dim), deconv_net(filters, latent_dim, nn.Sigmoid())))
    optimizer = torch.optim.Adam(model.parameters())

    def step(pictures):
        descend(optimizer, F.mse_loss(model(pictures), pictures))

    return pictures_epoch(step, images, batch_size, divisor=255, shift=0)


def sharpening_epoch(codes, pictures, batch_size, filters):
    """Return a function that trains the flow's decoder on against a discriminator, once on all codes.

    Args:
        codes: float32 (count, latent_dim).
        pictures: float32 (count, 64, 64, 3) in [0, 1], what they are to be decoded to.
        batch_size: codes in a batch.
        filters: of both networks.
    """
    decoder, discriminator = ready(deconv_net(filters, codes.shape[1], nn.Sigmoid())), ready(conv_net(filters, 1))
    optimizers, average = (adam(discriminator), adam(decoder)), average_of(decoder)
    batches = in_batches(batch_size, codes, pictures.transpose(0, 3, 1, 2))

    def step(code, real):
        fake = decoder(code)
        loss = F.softplus(-discriminator(real)) + F.softplus(discriminator(fake.detach()))
        descend(optimizers[0], loss.mean() / 2)
        with held_still(discriminator):
            descend(optimizers[1], F.mse_loss(fake, real) + 2e-3 * F.softplus(-discriminator(fake)).mean())
        average.update_parameters(decoder)

    return batches_epoch(step, batches)


def in_batches(batch_size, *arrays):
    """Return a list of the batches of some arrays, which have as many rows each, on DEVICE."""
    return list(zip(*(torch.from_numpy(array).to(DEVICE).split(batch_size) for array in arrays), strict=True))


def batches_epoch(step, batches):
    """Return a function that makes a step with each of the batches, as from `in_batches`."""

    def train():
        for batch in batches:
            step(*batch)
        wait()

    return train


class Velocity(nn.Module):
    """The flow's velocity: three residual blocks of 512 units, told the time by waves."""

    def __init__(self, dimensions):
        super().__init__()
        self.frequencies = nn.Buffer(torch.logspace(-2, 4, 32, base=2))
        self.when = nn.Sequential(nn.Linear(64, 512), nn.SiLU())
        self.widen = nn.Linear(dimensions, 512)
        self.first = nn.ModuleList(nn.Sequential(nn.LayerNorm(512), nn.Linear(512, 512)) for _ in range(3))
        self.times = nn.ModuleList(nn.Linear(512, 512) for _ in range(3))
        self.second = nn.ModuleList(nn.Sequential(nn.SiLU(), nn.Dropout(0.1), nn.Linear(512, 512)) for _ in range(3))
        self.narrow = nn.Sequential(nn.LayerNorm(512), nn.Linear(512, dimensions))

    def forward(self, codes, time):
        """Return velocities (batch, dimensions) of codes (batch, dimensions) at times (batch, 1)."""
        phases = 2 * torch.pi * time * self.frequencies
        when, x = self.when(torch.cat([phases.sin(), phases.cos()], dim=1)), self.widen(codes)
        for first, at_time, second in zip(self.first, self.times, self.second, strict=True):
            x = x + second(first(x) + at_time(when))
        return codes * (2 * time - 1) / (time**2 + (1 - time) ** 2) + self.narrow(x)


def flow_epoch(inputs, velocities, batch_size):
    """Return a function that trains the flow once on all codes.

    Args:
        inputs: codes on their way, float32 (count, dimensions), and their times (count, 1).
        velocities: float32 (count, dimensions), those that they should have.
        batch_size: codes in a batch.
    """
    model = ready(Velocity(velocities.shape[1]))
    optimizer, average = torch.optim.AdamW(model.parameters(), lr=5e-4), average_of(model)

    def step(codes, time, wanted):
        descend(optimizer, F.mse_loss(model(codes, time), wanted))
        average.update_parameters(model)

    return batches_epoch(step, in_batches(batch_size, *inputs, velocities))


class Decoder(nn.Module):
    """An LSTM of three steps over a repeated code, and a dense layer on each."""

    def __init__(self, units, outputs):
        super().__init__()
        self.lstm = nn.LSTM(units, units, batch_first=True)
        self.dense = nn.Linear(units, outputs)

    def forward(self, code):
        """Return (batch, 3, outputs) for a code (batch, units)."""
        return self.dense(self.lstm(code[:, None].expand(-1, 3, -1))[0])


class TextEncoder(nn.Module):
    """An LSTM that reads a sequence (batch, steps, features), flattened, to its last state (batch, units)."""

    def __init__(self, features, units):
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)

    def forward(self, sequence):
        """Return the last state."""
        return self.lstm(sequence.flatten(2))[0][:, -1]


class ConvLSTM(nn.Module):
    """The convolution model's reader: a ConvLSTM of 32 filters over five pictures, and a dense layer of 256."""

    def __init__(self):
        super().__init__()
        self.gates = nn.Conv2d(1 + 32, 4 * 32, 3, padding=1)
        self.dense = nn.Linear(32 * 28 * 28, 256)

    def forward(self, pictures):
        """Return (batch, 256) for pictures (batch, 5, 28, 28)."""
        state = cell = pictures.new_zeros(len(pictures), 32, 28, 28).to(memory_format=torch.channels_last)
        for step in range(pictures.shape[1]):
            gates = self.gates(torch.cat([pictures[:, step : step + 1], state], dim=1))
            into, forget, candidate, out = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + into.sigmoid() * candidate.tanh()
            state = out.sigmoid() * cell.tanh()
        return F.relu(self.dense(state.flatten(1)))


def epoch(model, arrays, batch_size, loss, optimizer=torch.optim.Adam):
    """Return a function that trains the model on all batches of arrays (inputs, *targets) once.

    Args:
        model: the module.
        arrays: tuple of arrays, as many rows each.
        batch_size: rows in a batch.
        loss: function (output, *targets).
        optimizer: its class.
    """
    model = ready(model)
    rule = optimizer(model.parameters())

    def step(inputs, *targets):
        descend(rule, loss(model(inputs), *targets))

    return batches_epoch(step, in_batches(batch_size, *arrays))


def cross_entropy(logits, targets):
    """Return the mean cross-entropy of characters (batch, 3, 13)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1))


def text_epoch(x, y, batch_size, optimizer=torch.optim.Adam):
    """Return a function that trains text to text for one epoch."""
    model = nn.Sequential(TextEncoder(13, 256), Decoder(256, 13))
    return epoch(model, (x, y), batch_size, cross_entropy, optimizer)


def identities_epoch(x, y, batch_size):
    """Return a function that trains text to text for one epoch with weight decay."""
    return text_epoch(x, y, batch_size, torch.optim.AdamW)


def flatten_epoch(x, y, batch_size):
    """Return a function that trains the flatten model for one epoch."""
    model = nn.Sequential(TextEncoder(784, 256), nn.Dropout(0.3), Decoder(256, 13))
    return epoch(Scaled(model), (x, y), batch_size, cross_entropy)


def convolution_epoch(x, y, batch_size):
    """Return a function that trains the convolution model for one epoch."""
    model = nn.Sequential(ConvLSTM(), nn.Dropout(0.3), Decoder(256, 13))
    return epoch(Scaled(model), (x, y), batch_size, cross_entropy)


class Scaled(nn.Module):
    """A model of pictures in [0, 1], fed with uint8."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pictures):
        """Return the model's output."""
        return self.model(pictures.float() / 255)


def text2image_epoch(x, y, batch_size):
    """Return a function that trains text to image, 1/1/512, for one epoch."""
    model = nn.Sequential(TextEncoder(13, 512), Decoder(512, 784), nn.Sigmoid())
    return epoch(model, (x, y), batch_size, lambda drawn, pictures: F.mse_loss(drawn, pictures.flatten(2)))


class GlyphReader(nn.Module):
    """Two convolutions that read each of five glyphs as one of 32 symbols, and an LSTM encoder-decoder of 256 units."""

    def __init__(self):
        super().__init__()
        convolutions = (nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1))
        dense = (nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 32))
        self.reader = nn.Sequential(*convolutions, nn.ReLU(), nn.Flatten(), *dense, nn.BatchNorm1d(32, affine=False))
        self.calculator = nn.Sequential(TextEncoder(32, 256), Decoder(256, 13))

    def forward(self, pictures):
        """Return logits (batch, 3, 13) of pictures (batch, 5, 28, 28)."""
        symbols = (3 * self.reader(pictures.reshape(-1, 1, 28, 28))).softmax(dim=1)
        return self.calculator(symbols.reshape(len(pictures), 5, 32))


def glyphs_epoch(x, y, batch_size):
    """Return a function that trains the model that reads glyph by glyph for one epoch."""
    return epoch(Scaled(GlyphReader()), (x, y), batch_size, cross_entropy, torch.optim.AdamW)


def dense_net(inputs, units, outputs):
    """Return two hidden layers and an output: (batch, inputs) -> (batch, outputs)."""
    hidden = (nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(units, outputs))


def divergence(q, p):
    """Return KL in nats of one diagonal Gaussian (z_mean, z_log_var) from another, averaged over the batch."""
    distance = q[1].exp() + (q[0] - p[0]) ** 2
    return (p[1] - q[1] + distance / p[1].exp() - 1).sum() / 2 / len(q[0])


def crossed(logits, targets):
    """Return the binary cross-entropy in nats, summed over all but the batch, averaged over that."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(targets)


class DigitsVAE(nn.Module):
    """The VAE of digits: two hidden layers of 512 units in encoder and decoder, 16 dimensions."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = dense_net(784, 512, 32), dense_net(16, 512, 784)

    def forward(self, digits):
        """Return the loss of digits (batch, 28, 28)."""
        pixels = digits.flatten(1)
        z, *latent = draw(self.encoder(pixels))
        return crossed(self.decoder(z), pixels) + kl(*latent)


def itself(loss):
    """Return the loss of a model whose output it is."""
    return loss


def digits_epoch(x, batch_size):
    """Return a function that trains the VAE of digits for one epoch."""
    return epoch(DigitsVAE(), (x,), batch_size, itself)


class Drums(nn.Module):
    """The hierarchical VAE of drum bars: 8 and 32 dimensions, hidden layers of 512 units, of the prior 128."""

    def __init__(self):
        super().__init__()
        self.encoder_high, self.encoder_low = dense_net(144, 512, 16), dense_net(152, 512, 64)
        self.prior, self.decoder, self.style = dense_net(8, 128, 64), dense_net(40, 512, 144), nn.Linear(8, 10)

    def forward(self, hits):
        """Return the loss of hits (batch, 144) without that of the style, and logits of the style (batch, 10)."""
        z_high, *high = draw(self.encoder_high(hits))
        z_low, *low = draw(self.encoder_low(torch.cat([hits, z_high], dim=1)))
        prior = self.prior(z_high).chunk(2, dim=1)
        levels = kl(*high) + divergence(low, prior)
        return crossed(self.decoder(torch.cat([z_high, z_low], dim=1)), hits) + levels / 2, self.style(z_high)


def drums_epoch(x, y, batch_size):
    """Return a function that trains the VAE of drum bars for one epoch."""
    return epoch(Drums(), (x, y), batch_size, lambda output, styles: output[0] + 3 * F.cross_entropy(output[1], styles))


class Patches(nn.Module):
    """An LSTM of 256 units over 16 patches, and a head in which each pixel sees those before it."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(49 + 16, 256, batch_first=True)
        self.pixels_before, self.known_before = nn.Linear(49, 128), nn.Linear(256, 128)
        self.of_known = nn.Linear(256, 49)
        self.of_hidden = nn.Parameter(torch.randn(49, 128) / 128)

    def forward(self, patches):
        """Return the nats per picture of patches (batch, 16, 49)."""
        before = F.pad(patches, (0, 0, 1, 0))[:, :-1]
        place = torch.eye(16, device=DEVICE).expand(len(patches), -1, -1)
        known = self.lstm(torch.cat([before, place], dim=2))[0]
        copies = patches[:, :, None].expand(-1, -1, 49, -1).tril(-1)
        hidden = F.relu(self.pixels_before(copies) + self.known_before(known)[:, :, None])
        return crossed(torch.einsum("bsph,ph->bsp", hidden, self.of_hidden) + self.of_known(known), patches)


def patches_epoch(x, batch_size):
    """Return a function that trains the model of patches for one epoch."""
    return epoch(Patches(), (x,), batch_size, itself)


class GlyphGenerator(nn.Module):
    """The generator of the GANs of 28x28 glyphs that are told what to draw."""

    def __init__(self, latent_dim, told_dim, filters):
        super().__init__()
        self.project = nn.Linear(latent_dim + told_dim, 7 * 7 * 2 * filters, bias=False)
        first = (nn.BatchNorm2d(2 * filters), nn.ReLU(), nn.ConvTranspose2d(2 * filters, filters, 4, 2, 1, bias=False))
        last = (nn.BatchNorm2d(filters), nn.ReLU(), nn.ConvTranspose2d(filters, 1, 4, 2, 1), nn.Tanh())
        self.rest = nn.Sequential(*first, *last)

    def forward(self, noise, told):
        """Return pictures (batch, 1, 28, 28) of noise (batch, latent_dim) and what is told (batch, told_dim)."""
        first_map = self.project(torch.cat([noise, told], dim=1)).reshape(len(noise), 7, 7, -1)
        return self.rest(first_map.permute(0, 3, 1, 2))


class GlyphDiscriminator(nn.Module):
    """The discriminator of the GANs of glyphs."""

    def __init__(self, told_dim, filters, features):
        super().__init__()
        convolutions = (nn.Conv2d(1, filters, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(filters, 2 * filters, 4, 2, 1))
        dense = (nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(2 * filters * 7 * 7, features), nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*convolutions, *dense)
        self.is_real, self.of_told = nn.Linear(features, 1), nn.Linear(told_dim, features, bias=False)

    def forward(self, pictures, told):
        """Return logits (batch, 1) of pictures (batch, 1, 28, 28) and what is told of them (batch, told_dim)."""
        features = self.features(pictures)
        return self.is_real(features) + (features * self.of_told(told)).sum(dim=1, keepdim=True)


def glyph_gan_epoch(glyphs, told, batch_size, latent_dim, filters, features, **options):
    """Return a function that trains a GAN of glyphs on all of them once.

    Args:
        glyphs: uint8 (count, 28, 28).
        told: float32 (count, told_dim), what generator and discriminator are told of them.
        batch_size: glyphs in a batch.
        latent_dim: length of the noise.
        filters: of the widest map; the next has twice as many.
        features: by which the discriminator judges.
        **options: of `adversarial_step`.
    """
    generator = GlyphGenerator(latent_dim, told.shape[1], filters)
    discriminator = GlyphDiscriminator(told.shape[1], filters, features)
    step = adversarial_step(generator, discriminator, latent_dim, **options)

    def step_scaled(real, of_real):
        step(real.float() / 127.5 - 1, of_real)

    return batches_epoch(step_scaled, in_batches(batch_size, glyphs[:, None], told))
