"""GPUs of NVIDIA, as NVML tells of them."""
