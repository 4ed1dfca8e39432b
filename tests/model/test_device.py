"""The precision follows what the processor computes natively."""

import pytest
import torch

from vqa.model.device import fast_dtype


@pytest.mark.parametrize(
    ("capability", "onednn", "avx512_bf16", "amx", "dtype"),
    [
        ("AVX512", True, False, False, torch.float32),  # oneDNN would emulate it
        ("AVX512", True, True, False, torch.bfloat16),
        ("AVX512", True, True, True, torch.bfloat16),
        ("AVX512", False, True, True, torch.float32),  # such as with ONEDNN_MAX_CPU_ISA=AVX2
        ("AVX2", False, False, False, torch.float32),
        ("DEFAULT", True, False, False, torch.bfloat16),  # such as an ARM processor
    ],
)
def test_bfloat16_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, capability: str, onednn: bool, avx512_bf16: bool, amx: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    assert fast_dtype(torch.device("cpu")) is dtype
