/* CUDA without a card: memory of the device is this machine's, kernels do nothing, copies are counted.
   Enough for ONNX Runtime to place a graph's nodes on its CUDA kernels, and to show what goes to the device. */
#include <stdlib.h>
#include <string.h>

static unsigned long long to_device, to_host;
static size_t memory = (size_t)16 << 30;

unsigned long long fake_to_device(void) { return to_device; }
unsigned long long fake_to_host(void) { return to_host; }

static void count(size_t bytes, int kind) {
  if (kind == 1) __atomic_fetch_add(&to_device, bytes, __ATOMIC_RELAXED);
  if (kind == 2) __atomic_fetch_add(&to_host, bytes, __ATOMIC_RELAXED);
}
static int allocate(void **p, size_t bytes) { *p = calloc(1, bytes + 256); return *p == 0; }
static int handle(void **p) { *p = calloc(1, 64); return 0; }

int cudaGetDeviceCount(int *n) { *n = 1; return 0; }
int cudaGetDevice(int *n) { *n = 0; return 0; }
int cudaMalloc(void **p, size_t n) { return allocate(p, n); }
int cudaMallocHost(void **p, size_t n) { return allocate(p, n); }
int cudaHostAlloc(void **p, size_t n, unsigned flags) { return allocate(p, n); }
int cudaFree(void *p) { free(p); return 0; }
int cudaFreeHost(void *p) { free(p); return 0; }
int cudaMemGetInfo(size_t *unused, size_t *all) { *unused = *all = memory; return 0; }
int cudaMemcpy(void *to, const void *from, size_t n, int kind) { count(n, kind); memcpy(to, from, n); return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *s) { return cudaMemcpy(to, from, n, kind); }
int cudaHostRegister(void *p, size_t n, unsigned flags) { return 0; }
int cudaHostUnregister(void *p) { return 0; }
int cudaMemset(void *p, int value, size_t n) { memset(p, value, n); return 0; }
int cudaMemsetAsync(void *p, int value, size_t n, void *s) { memset(p, value, n); return 0; }
int cudaStreamCreate(void **p) { return handle(p); }
int cudaStreamCreateWithFlags(void **p, unsigned flags) { return handle(p); }
int cudaEventCreate(void **p) { return handle(p); }
int cudaEventCreateWithFlags(void **p, unsigned flags) { return handle(p); }
int cudaStreamIsCapturing(void *s, int *capturing) { *capturing = 0; return 0; }
int cudaDriverGetVersion(int *v) { *v = 13000; return 0; }
int cudaRuntimeGetVersion(int *v) { *v = 13000; return 0; }
/* 75 and 76 are the two numbers of the compute capability, 16 is the number of multiprocessors. */
int cudaDeviceGetAttribute(int *v, int which, int device) {
  *v = which == 75 ? 9 : which == 76 ? 0 : which == 16 ? 132 : 1024;
  return 0;
}
/* The first fields of cudaDeviceProp, at the places that CUDA 12 and 13 give them. */
int cudaGetDeviceProperties(char *p, int device) {
  memset(p, 0, 384);
  strcpy(p, "no card");
  *(size_t *)(p + 288) = memory;
  *(size_t *)(p + 296) = 49152;
  int *sizes = (int *)(p + 320);
  sizes[0] = sizes[1] = sizes[2] = 1024, sizes[3] = 64, sizes[4] = 2147483647, sizes[5] = sizes[6] = 65535;
  ((int *)(p + 304))[0] = 65536, ((int *)(p + 304))[1] = 32;
  ((int *)(p + 360))[0] = 9;
  return 0;
}
int cudaGetDeviceProperties_v2(char *p, int device) { return cudaGetDeviceProperties(p, device); }
const char *cudaGetErrorName(int e) { return "no card"; }
const char *cudaGetErrorString(int e) { return "no card"; }
void **__cudaRegisterFatBinary(void *p) { return calloc(1, 64); }
int __cudaGetKernel(void **kernel, const void *function) { *kernel = (void *)function; return 0; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n) { *n = 8; return 0; }
int cudaPointerGetAttributes(char *p, const void *of) { memset(p, 0, 24); return 0; }
