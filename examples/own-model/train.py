"""A small diffusion model in plain torch: train on --data, write --count samples to --out."""

import argparse
import math

import numpy as np
import torch
from torch import nn

STEPS = 100  # of the noising chain


class Net(nn.Module):
    def __init__(self, dimension, width=256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dimension + 2, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, dimension),
        )

    def forward(self, z, step):
        angle = step[:, None] / STEPS * math.pi / 2
        return self.layers(torch.cat([z, angle.sin(), angle.cos()], dim=1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--iterations", type=int, default=1500)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    data = np.load(args.data)
    shape = data.shape[1:]
    x = torch.tensor(data.reshape(len(data), -1), dtype=torch.float32)
    mean, scale = x.mean(), x.std()
    x = (x - mean) / scale

    betas = torch.linspace(1e-4, 0.08, STEPS)
    signal = torch.cumprod(1 - betas, dim=0)
    net = Net(x.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for i in range(args.iterations):
        batch = x[torch.randint(len(x), (128,))]
        step = torch.randint(STEPS, (128,))
        noise = torch.randn_like(batch)
        kept = signal[step, None]
        loss = ((net(kept.sqrt() * batch + (1 - kept).sqrt() * noise, step) - noise) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 500 == 0:
            print(f"iteration {i}: loss {loss.item():.3f}", flush=True)

    with torch.no_grad():
        z = torch.randn(args.count, x.shape[1])
        for step in reversed(range(STEPS)):
            noise = net(z, torch.full((args.count,), step))
            z = (z - betas[step] / (1 - signal[step]).sqrt() * noise) / (1 - betas[step]).sqrt()
            if step:
                z += betas[step].sqrt() * torch.randn_like(z)
    samples = (z * scale + mean).numpy().reshape(-1, *shape)
    np.save(args.out, samples)


if __name__ == "__main__":
    main()
