"""One torch thread, as the workers of a run have it."""

import torch

torch.set_num_threads(1)
