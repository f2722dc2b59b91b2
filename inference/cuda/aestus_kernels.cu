// Every CUDA kernel of Aestus in one translation unit, so that one fatbin holds them all; built by build.py.
#include "kernels/attention.cuh"
#include "kernels/elementwise.cuh"
#include "kernels/gemm.cuh"
#include "kernels/quantised.cuh"
#include "kernels/rowwise.cuh"
