"""The scripts' models and training steps in plain PyTorch, channels last, float32: what the benchmark compares with.

They have the layers, widths and strides of the scripts' models, so that a step does the same work; they are not meant
to be trained. They run on a GPU where PyTorch finds one.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, the name by which PyTorch's users know it

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_default_device(DEVICE)


def wait():
    """Wait for the GPU, which works on while Python goes on."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def conv_net(filters, outputs):
    """Return `shared_blocks.build_conv_net` for 64x64 pictures: (batch, 3, 64, 64) -> (batch, outputs)."""
    widths = [3, *[filters] * 5]
    convolutions = [
        module
        for before, after in pairwise(widths)
        for module in (nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU())
    ]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(4 * filters, outputs)).to(
        memory_format=torch.channels_last
    )


def deconv_net(filters, latent_dim, activation):
    """Return `shared_blocks.build_deconv_net` for 64x64 pictures: (batch, latent_dim) -> (batch, 3, 64, 64)."""
    widths = [64, *[filters] * 4]
    deconvolutions = [
        module
        for before, after in pairwise(widths)
        for module in (nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), nn.ReLU())
    ]
    head = (nn.Linear(latent_dim, 1024), nn.Unflatten(1, (64, 4, 4)))
    return nn.Sequential(*head, *deconvolutions, nn.Conv2d(filters, 3, 3, padding=1), activation).to(
        memory_format=torch.channels_last
    )


def to_pictures(images, divisor, shift):
    """Return uint8 (batch, height, width, 3) as float (batch, 3, height, width), channels last in memory."""
    pictures = torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2).float() / divisor - shift
    return pictures.contiguous(memory_format=torch.channels_last)


def vae_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the VAE on all pictures, uint8 (count, 64, 64, 3), once."""
    encoder, decoder = conv_net(filters, 2 * latent_dim), deconv_net(filters, latent_dim, nn.Sigmoid())
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

    def train():
        for start in range(0, len(images), batch_size):
            pictures = to_pictures(images[start : start + batch_size], 255, 0)
            z_mean, z_log_var = encoder(pictures).chunk(2, dim=1)
            z = z_mean + torch.exp(z_log_var / 2) * torch.randn_like(z_mean)
            reconstruction = F.binary_cross_entropy(decoder(z), pictures, reduction="sum") / batch_size
            kl = -0.5 * (1 + z_log_var - z_mean**2 - z_log_var.exp()).sum() / batch_size
            optimizer.zero_grad()
            (reconstruction + 8 * kl).backward()
            optimizer.step()
        wait()

    return train


def gan_epoch(images, batch_size, filters, latent_dim):
    """Return a function that trains the GAN as PyTorch's own DCGAN example does, on all pictures once."""
    generator, discriminator = deconv_net(filters, latent_dim, nn.Tanh()), conv_net(filters, 1)
    optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (discriminator, generator)]
    ones, zeros = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)

    def train():
        for start in range(0, len(images), batch_size):
            real = to_pictures(images[start : start + batch_size], 127.5, 1)
            fake = generator(torch.randn(batch_size, latent_dim))
            optimizers[0].zero_grad()
            real_loss = F.binary_cross_entropy_with_logits(discriminator(real), ones)
            fake_loss = F.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros)
            (real_loss + fake_loss).backward()
            optimizers[0].step()
            optimizers[1].zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(fake), ones).backward()
            optimizers[1].step()
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
        self.gates = nn.Conv2d(1 + 32, 4 * 32, 3, padding=1).to(memory_format=torch.channels_last)
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


def epoch(model, x, y, batch_size, loss):
    """Return a function that trains the model on all batches of (x, y) once."""
    optimizer = torch.optim.Adam(model.parameters())
    batches = list(zip(*(torch.from_numpy(array).to(DEVICE).split(batch_size) for array in (x, y)), strict=True))

    def train():
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss(model(inputs), targets).backward()
            optimizer.step()
        wait()

    return train


def cross_entropy(logits, targets):
    """Return the mean cross-entropy of characters (batch, 3, 13)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1))


def text_epoch(x, y, batch_size):
    """Return a function that trains text to text for one epoch."""
    return epoch(nn.Sequential(TextEncoder(13, 256), Decoder(256, 13)), x, y, batch_size, cross_entropy)


def flatten_epoch(x, y, batch_size):
    """Return a function that trains the flatten model for one epoch."""
    model = nn.Sequential(TextEncoder(784, 256), nn.Dropout(0.3), Decoder(256, 13))
    return epoch(Scaled(model), x, y, batch_size, cross_entropy)


def convolution_epoch(x, y, batch_size):
    """Return a function that trains the convolution model for one epoch."""
    model = nn.Sequential(ConvLSTM(), nn.Dropout(0.3), Decoder(256, 13))
    return epoch(Scaled(model), x, y, batch_size, cross_entropy)


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
    return epoch(model, x, y, batch_size, lambda drawn, pictures: F.mse_loss(drawn, pictures.flatten(2)))
