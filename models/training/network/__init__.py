"""The network of DeepSeek-V2 in PyTorch, written for training on a CPU."""
