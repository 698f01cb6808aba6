"""Time of a training step of the GAN beside plain Keras loops of the same networks; prints a Markdown table.

    python benchmarks/training_step.py

All rows are measured in one run, in turn, so that a machine that slows down slows all of them; the numbers are medians.
"""

import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import GAN_filter128_latent256 as gan_script
import shared_blocks
import shared_data

ROUNDS = 5
STEPS = 4  # in a round
BATCH_SIZE = gan_script.BATCH_SIZE


def fused_step(images, precision):
    """Return a function that makes one step as the GAN scripts do, in a precision."""
    gan_script.PRECISION = precision
    gan = gan_script.GAN(gan_script.build_generator(), gan_script.build_discriminator(), seed=0)
    gan.compile(optimizer=adam(), jit_compile=shared_blocks.JIT_COMPILE_CONV)
    return lambda: gan.train_on_batch(images)


def plain_loop(images, judged):
    """Return a function that makes one step of the textbook loop.

    The discriminator learns from `judged` real and as many generated pictures in two calls of `train_on_batch`, then
    the generator from a batch through the frozen discriminator.
    """
    gan_script.PRECISION = "float32"
    generator, discriminator = gan_script.build_generator(), gan_script.build_discriminator()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(optimizer=adam(), loss=loss, jit_compile=shared_blocks.JIT_COMPILE_CONV)
    both = keras.Sequential([generator, discriminator])
    both.compile(optimizer=adam(), loss=loss, jit_compile=shared_blocks.JIT_COMPILE_CONV)
    rng = np.random.default_rng(0)
    ones, zeros = np.ones((BATCH_SIZE, 1), np.float32), np.zeros((BATCH_SIZE, 1), np.float32)

    def step():
        noise = rng.standard_normal((BATCH_SIZE, gan_script.LATENT_DIM), np.float32)
        fake = generator.predict_on_batch(noise[:judged])
        discriminator.trainable = True
        discriminator.train_on_batch(gan_script.scale(images[:judged]), ones[:judged])
        discriminator.train_on_batch(fake, zeros[:judged])
        discriminator.trainable = False
        both.train_on_batch(noise, ones)

    return step


def adam():
    """Return the scripts' optimiser."""
    return keras.optimizers.Adam(gan_script.LEARNING_RATE, beta_1=gan_script.BETA_1)


def main():
    """Measure and print."""
    images = shared_data.draw_faces(BATCH_SIZE, gan_script.IMAGE_SIZE, seed=0)
    steps = {
        "GAN script, float32": fused_step(images, "float32"),
        "GAN script, mixed_bfloat16": fused_step(images, "mixed_bfloat16"),
        "plain loop, 64 real + 64 generated, then 64": plain_loop(images, BATCH_SIZE),
        "plain loop, 32 real + 32 generated, then 64": plain_loop(images, BATCH_SIZE // 2),
    }
    times = {name: [] for name in steps}
    for step in steps.values():
        step()  # compiles
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            times[name].append(1000 * (time.perf_counter() - start) / STEPS)
    print(f"{keras.backend.backend()}, batch {BATCH_SIZE}, {gan_script.FILTERS} filters\n")
    print("| training step | median ms | fastest | slowest |\n| --- | ---: | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} | {max(values):.0f} |")


if __name__ == "__main__":
    main()
