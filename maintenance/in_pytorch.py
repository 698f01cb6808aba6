"""The scripts' models and training steps in plain PyTorch, channels last, float32: what the benchmark compares with.

They have the layers, widths and strides of the scripts' models, so that a step does the same work; they are not meant
to be trained. An `..._epoch` function returns one that trains a model on all batches once.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, the name by which PyTorch's users know it

DEVICE = "cpu"  # or "cuda"; whoever times decides


def ready(model):
    """Return a model on DEVICE, its kernels channels last in memory."""
    return model.to(DEVICE, memory_format=torch.channels_last)


def wait():
    """Wait for the GPU, which works on while Python goes on."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


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


def vae_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the VAE on all pictures, uint8 (count, 64, 64, 3), once."""
    encoder, decoder = ready(conv_net(filters, 2 * latent_dim)), ready(deconv_net(filters, latent_dim, nn.Sigmoid()))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

    def train():
        for start in range(0, len(images), batch_size):
            pictures = to_pictures(images[start : start + batch_size], 255, 0)
            z, *latent = draw(encoder(pictures))
            reconstruction = F.binary_cross_entropy(decoder(z), pictures, reduction="sum") / batch_size
            optimizer.zero_grad()
            (reconstruction + 8 * kl(*latent)).backward()
            optimizer.step()
        wait()

    return train


def adversarial_step(generator, discriminator, latent_dim):
    """Return a function (real pictures, *labels) that trains both networks as PyTorch's own DCGAN example does."""
    generator, discriminator = ready(generator), ready(discriminator)
    optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (discriminator, generator)]

    def step(real, *labels):
        ones, zeros = torch.ones(len(real), 1, device=DEVICE), torch.zeros(len(real), 1, device=DEVICE)
        fake = generator(torch.randn(len(real), latent_dim, device=DEVICE), *labels)
        optimizers[0].zero_grad()
        real_loss = F.binary_cross_entropy_with_logits(discriminator(real, *labels), ones)
        fake_loss = F.binary_cross_entropy_with_logits(discriminator(fake.detach(), *labels), zeros)
        (real_loss + fake_loss).backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(fake, *labels), ones).backward()
        optimizers[1].step()

    return step


def gan_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the GAN on all pictures, uint8 (count, 64, 64, 3), once."""
    step = adversarial_step(deconv_net(filters, latent_dim, nn.Tanh()), conv_net(filters, 1), latent_dim)

    def train():
        for start in range(0, len(images), batch_size):
            step(to_pictures(images[start : start + batch_size], 127.5, 1))
        wait()

    return train


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


def epoch(model, arrays, batch_size, loss):
    """Return a function that trains the model on all batches of arrays (inputs, *targets) once.

    Args:
        model: the module.
        arrays: tuple of arrays, as many rows each.
        batch_size: rows in a batch.
        loss: function (output, *targets).
    """
    model = ready(model)
    optimizer = torch.optim.Adam(model.parameters())
    batches = list(zip(*(torch.from_numpy(array).to(DEVICE).split(batch_size) for array in arrays), strict=True))

    def train():
        for inputs, *targets in batches:
            optimizer.zero_grad()
            loss(model(inputs), *targets).backward()
            optimizer.step()
        wait()

    return train


def cross_entropy(logits, targets):
    """Return the mean cross-entropy of characters (batch, 3, 13)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1))


def text_epoch(x, y, batch_size):
    """Return a function that trains text to text for one epoch."""
    return epoch(nn.Sequential(TextEncoder(13, 256), Decoder(256, 13)), (x, y), batch_size, cross_entropy)


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
    return epoch(Scaled(GlyphReader()), (x, y), batch_size, cross_entropy)


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
        """Return the nats a picture of patches (batch, 16, 49)."""
        before = F.pad(patches, (0, 0, 1, 0))[:, :-1]
        place = torch.eye(16, device=DEVICE).expand(len(patches), -1, -1)
        known = self.lstm(torch.cat([before, place], dim=2))[0]
        copies = patches[:, :, None].expand(-1, -1, 49, -1).tril(-1)
        hidden = F.relu(self.pixels_before(copies) + self.known_before(known)[:, :, None])
        return crossed(torch.einsum("bsph,ph->bsp", hidden, self.of_hidden) + self.of_known(known), patches)


def patches_epoch(x, batch_size):
    """Return a function that trains the model of patches for one epoch."""
    return epoch(Patches(), (x,), batch_size, itself)


class LabelledGenerator(nn.Module):
    """The generator of the GAN of digits by label."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(110, 7 * 7 * 128, bias=False)
        first = (nn.BatchNorm2d(128), nn.ReLU(), nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False))
        last = (nn.BatchNorm2d(64), nn.ReLU(), nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1), nn.Tanh())
        self.rest = nn.Sequential(*first, *last)

    def forward(self, noise, labels):
        """Return pictures (batch, 1, 28, 28) of noise (batch, 100) and one-hot labels (batch, 10)."""
        first_map = self.project(torch.cat([noise, labels], dim=1)).reshape(-1, 7, 7, 128)
        return self.rest(first_map.permute(0, 3, 1, 2))


class LabelledDiscriminator(nn.Module):
    """The discriminator of the GAN of digits by label."""

    def __init__(self):
        super().__init__()
        convolutions = (nn.Conv2d(1, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(64, 128, 4, 2, 1))
        dense = (nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128 * 7 * 7, 256), nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*convolutions, *dense)
        self.is_real, self.of_label = nn.Linear(256, 1), nn.Linear(10, 256, bias=False)

    def forward(self, pictures, labels):
        """Return logits (batch, 1)."""
        features = self.features(pictures)
        return self.is_real(features) + (features * self.of_label(labels)).sum(dim=1, keepdim=True)


def cgan_epoch(digits, labels, batch_size):
    """Return a function that trains the GAN of digits by label on all digits, uint8 (count, 28, 28), once."""
    step = adversarial_step(LabelledGenerator(), LabelledDiscriminator(), 100)
    pictures = torch.from_numpy(digits).to(DEVICE)[:, None].split(batch_size)
    one_hot = F.one_hot(torch.from_numpy(labels).to(DEVICE).long(), 10).float().split(batch_size)

    def train():
        for real, label in zip(pictures, one_hot, strict=True):
            step(real.float() / 127.5 - 1, label)
        wait()

    return train
