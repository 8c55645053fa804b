// Functions that host and device share.
#pragma once

#if defined(__CUDACC__)
#define RNM_SHARED_CODE __host__ __device__
#else
#define RNM_SHARED_CODE
#endif
