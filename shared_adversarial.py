"""What adversarial networks share beyond the plain loss: a network held still, the cost of slopes, averaged weights."""

import keras
from keras import ops


def held_still(network, inputs, training):
    """Return what a network makes of `inputs` with its weights as constants, so that gradients reach `inputs` alone.

    Its state, of normalisation or dropout, stays as it was.
    """
    constants = [ops.stop_gradient(weight.value) for weight in network.trainable_variables]
    outputs, _ = network.stateless_call(constants, network.non_trainable_variables, inputs, training=training)
    return outputs


def squared_slopes(judge, pictures, logits, step, seed):
    """Return the squared length of the gradient of logits with respect to the pictures, estimated: (batch, 1).

    That of a step from N(0, step^2 I), divided by `step`, has the squared length as its mean, as far as `judge` is
    linear there, and needs no second derivative. Lin et al., "Diffusion Adversarial Post-Training", 2025, section 4.3;
    the cost is that of Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018.

    Args:
        judge: function from pictures (batch, height, width, channels) to logits (batch, 1).
        pictures: as for `judge`.
        logits: what it makes of them.
        step: standard deviation of the step, in units of the pictures.
        seed: `keras.random.SeedGenerator` of the step.
    """
    moved = pictures + step * keras.random.normal(ops.shape(pictures), seed=seed)
    return ops.square((judge(moved) - logits) / step)


def averaged_copy(network):
    """Return a copy of a network, which is not trained, to be moved by `move_average`."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def move_average(average, network, steps, momentum):
    """Move an average of a network's weights, moving statistics included, a little towards them; call it in each step.

    In the first steps it moves more, as the network began untrained. Karras et al., "Progressive Growing of GANs",
    2018, appendix A.

    Args:
        average: as from `averaged_copy`.
        network: the network.
        steps: non-trainable scalar weight, the steps so far; it is counted up.
        momentum: share of the average that stays after the first steps.
    """
    stays = ops.minimum(momentum, (1 + steps) / (10 + steps))
    for mean, weight in zip(average.weights, network.weights, strict=True):
        mean.assign(stays * mean + (1 - stays) * weight)
    steps.assign_add(1.0)
