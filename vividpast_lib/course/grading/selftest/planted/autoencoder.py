"""Planted solutions of lesson 03; `planting` says how they are read."""


# %% same_padding, wrong: the odd zero comes before
def same_padding(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total - total // 2, total // 2


# %% same_padding, wrong: as without a stride
def same_padding(size, kernel, stride):
    return (kernel - 1) // 2, kernel // 2


# %% same_padding, wrong: half a kernel on both sides
def same_padding(size, kernel, stride):
    return kernel // 2, kernel // 2


# %% same_padding, wrong: rounds down
def same_padding(size, kernel, stride):
    total = max((size // stride - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


# %% same_padding, wrong: takes pixels away
def same_padding(size, kernel, stride):
    total = (-(-size // stride) - 1) * stride + kernel - size
    return total // 2, total - total // 2


# %% same_padding, wrong: only for sizes that the stride divides
def same_padding(size, kernel, stride):
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


# %% same_padding, right: from what is left over, as TensorFlow's manual has it
def same_padding(size, kernel, stride):
    over = size % stride
    total = max(kernel - (over if over else stride), 0)
    return total // 2, (total + 1) // 2


# %% same_padding, right: adds zeros until they are enough, in an array
def same_padding(size, kernel, stride):
    wanted = int(np.ceil(size / stride))
    before = after = 0
    while (before + size + after - kernel) // stride + 1 < wanted:
        if after > before:
            before += 1
        else:
            after += 1
    return torch.tensor(before), torch.tensor(after)


# %% encoder_block, wrong: half a kernel on all sides
def encoder_block(x, weight, bias, stride):
    pad = weight.shape[-1] // 2
    return nn.functional.conv2d(x, weight, bias, stride, pad).relu()


# %% encoder_block, wrong: the odd row comes above
def encoder_block(x, weight, bias, stride):
    kernel = weight.shape[-1]
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total - total // 2, total // 2]
    return nn.functional.conv2d(nn.functional.pad(x, pads), weight, bias, stride).relu()


# %% encoder_block, wrong: no ReLU
def encoder_block(x, weight, bias, stride):
    kernel = weight.shape[-1]
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return nn.functional.conv2d(nn.functional.pad(x, pads), weight, bias, stride)


# %% encoder_block, wrong: the bias comes after ReLU
def encoder_block(x, weight, bias, stride):
    kernel = weight.shape[-1]
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    seen = nn.functional.conv2d(nn.functional.pad(x, pads), weight, stride=stride)
    return seen.relu() + bias[:, None, None]


# %% encoder_block, wrong: no bias
def encoder_block(x, weight, bias, stride):
    kernel = weight.shape[-1]
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return nn.functional.conv2d(nn.functional.pad(x, pads), weight, stride=stride).relu()


# %% encoder_block, wrong: padding of rows and columns exchanged
def encoder_block(x, weight, bias, stride):
    kernel = weight.shape[-1]
    pads = []
    for size in x.shape[2:]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return nn.functional.conv2d(nn.functional.pad(x, pads), weight, bias, stride).relu()


# %% encoder_block, wrong: without a stride, then every second one
def encoder_block(x, weight, bias, stride):
    seen = nn.functional.conv2d(x, weight, bias, padding="same").relu()
    return seen[:, :, ::stride, ::stride]


# %% encoder_block, wrong: kernels with a random bias of its own
def encoder_block(x, weight, bias, stride):
    layer = nn.LazyConv2d(len(weight), weight.shape[-1], stride, weight.shape[-1] // 2)
    return layer(x).relu()


# %% encoder_block, right: patches and one sum
def encoder_block(x, weight, bias, stride):
    n, _, height, width = x.shape
    d, _, kernel, _ = weight.shape
    rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
    down = max((rows - 1) * stride + kernel - height, 0)
    across = max((columns - 1) * stride + kernel - width, 0)
    pads = (across // 2, (across + 1) // 2, down // 2, (down + 1) // 2)
    patches = nn.functional.unfold(nn.functional.pad(x, pads), kernel, stride=stride)
    seen = weight.flatten(1) @ patches + bias[:, None]
    return seen.view(n, d, rows, columns).clamp(min=0)


# %% encoder_block, right: NumPy, place by place
def encoder_block(x, weight, bias, stride):
    x, weight, bias = x.double().numpy(), weight.double().numpy(), bias.double().numpy()
    n, _, height, width = x.shape
    kernel = weight.shape[-1]
    shape = -(-height // stride), -(-width // stride)
    sums = [(o - 1) * stride + kernel - s for o, s in zip(shape, (height, width))]
    before = [max(total, 0) // 2 for total in sums]
    result = np.zeros((n, len(weight), *shape))
    for y in range(shape[0]):
        for z in range(shape[1]):
            for i in range(kernel):
                for j in range(kernel):
                    row, column = y * stride + i - before[0], z * stride + j - before[1]
                    if 0 <= row < height and 0 <= column < width:
                        result[:, :, y, z] += x[:, :, row, column] @ weight[:, :, i, j].T
    return np.maximum(result + bias[:, None, None], 0)


# %% l1_in_lab_units, wrong: in scaled units
def l1_in_lab_units(predicted, true, scale):
    return (predicted - true).abs().mean()


# %% l1_in_lab_units, wrong: the scale of a for both
def l1_in_lab_units(predicted, true, scale):
    return scale[0] * (predicted - true).abs().mean()


# %% l1_in_lab_units, wrong: the mean of both scales
def l1_in_lab_units(predicted, true, scale):
    return sum(scale) / 2 * (predicted - true).abs().mean()


# %% l1_in_lab_units, wrong: scales exchanged
def l1_in_lab_units(predicted, true, scale):
    b, a = scale
    error = (predicted - true).abs()
    return (a * error[:, 0].mean() + b * error[:, 1].mean()) / 2


# %% l1_in_lab_units, wrong: the sum of both channels
def l1_in_lab_units(predicted, true, scale):
    error = (predicted - true).abs().mean(dim=(0, 2, 3))
    return scale[0] * error[0] + scale[1] * error[1]


# %% l1_in_lab_units, wrong: 110 as in this course
def l1_in_lab_units(predicted, true, scale):
    return 110 * (predicted - true).abs().mean()


# %% l1_in_lab_units, wrong: changes its inputs
def l1_in_lab_units(predicted, true, scale):
    for channel in range(2):
        predicted[:, channel] *= scale[channel]
        true[:, channel] *= scale[channel]
    return (predicted - true).abs().mean()


# %% l1_in_lab_units, wrong: the scales along the width
def l1_in_lab_units(predicted, true, scale):
    return ((predicted - true) * torch.tensor(scale)).abs().mean()


# %% l1_in_lab_units, right: NumPy, channel by channel
def l1_in_lab_units(predicted, true, scale):
    errors = np.abs(predicted.numpy() - true.numpy())
    return np.mean([errors[:, i].mean() * scale[i] for i in range(2)])


# %% l1_in_lab_units, right: scaled back, then PyTorch's loss
def l1_in_lab_units(predicted, true, scale):
    factors = torch.tensor(scale, dtype=torch.float64)[None, :, None, None]
    return nn.functional.l1_loss(predicted * factors, true * factors).item()


# %% field_of_view, wrong: without the strides
def field_of_view(kernels, strides):
    return 1 + sum(kernel - 1 for kernel in kernels)


# %% field_of_view, wrong: a stride acts on its own layer
def field_of_view(kernels, strides):
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides):
        step *= stride
        field += (kernel - 1) * step
    return field


# %% field_of_view, wrong: from the other end
def field_of_view(kernels, strides):
    field, step = 1, 1
    for kernel, stride in zip(kernels[::-1], strides[::-1]):
        field += (kernel - 1) * step
        step *= stride
    return field


# %% field_of_view, wrong: whole kernels are added
def field_of_view(kernels, strides):
    field, step = 0, 1
    for kernel, stride in zip(kernels, strides):
        field += kernel * step
        step *= stride
    return field


# %% field_of_view, wrong: only the stride just before
def field_of_view(kernels, strides):
    field = kernels[0]
    for kernel, stride in zip(kernels[1:], strides):
        field += (kernel - 1) * stride
    return field


# %% field_of_view, wrong: hard-coded, the encoder of 2018
def field_of_view(kernels, strides):
    return 21 if len(kernels) == 5 else 3


# %% field_of_view, right: from the last layer to the first
def field_of_view(kernels, strides):
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides)):
        field = (field - 1) * stride + kernel
    return field


# %% field_of_view, right: asks the gradient
def field_of_view(kernels, strides):
    lengths = [1]
    for kernel, stride in zip(reversed(kernels), reversed(strides)):
        lengths.append((lengths[-1] - 1) * stride + kernel)
    row = torch.ones(1, 1, lengths[-1] + 10, dtype=torch.float64, requires_grad=True)
    x = row
    for kernel, stride in zip(kernels, strides):
        x = nn.functional.conv1d(x, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    x[0, 0, 0].backward()
    seen = row.grad[0, 0].nonzero()
    return seen.max() - seen.min() + 1


# %% field_of_view, right: first and last pixel, with NumPy
def field_of_view(kernels, strides):
    steps = np.cumprod([1, *strides[:-1]])
    return int(np.dot(np.array(kernels) - 1, steps)) + 1
