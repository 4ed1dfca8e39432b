"""The device and the precision of a model's computations."""

import torch

from .errors import InputError


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU. Raises `InputError` for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"The device '{name}' is not available here; use auto, cpu, cuda or mps.") from error
    return torch.device(name)


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32. (An ordinary laptop's CPU does not.)"""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        # oneDNN heeds ONEDNN_MAX_CPU_ISA, but it also emulates bfloat16 on any AVX-512, at a third of float32's speed
        x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
        native = not x86 or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if native and torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.float32
