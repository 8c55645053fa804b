# Builds the addon where there is no CMake: the CPU backend alone, from the sources, definitions and
# flags that CMakeLists.txt uses. native/install.mjs runs it through npm's node-gyp.
{
  'variables': {
    'include_node_addon_api': '<!(node -p "require(\'node-addon-api\').include_dir")',
    'common_sources': ["<!@(node -p \"require('./native/sources.json').common.join(' ')\")"],
    'simd_sources': ["<!@(node -p \"require('./native/sources.json').simd.join(' ')\")"],
    'kernel_flags': ['-O3', '-fno-math-errno', '-fno-trapping-math', '-fno-signed-zeros',
      # GCC 12 warns of its own intrinsics.
      '-Wno-uninitialized', '-Wno-maybe-uninitialized'],
    # What Node's common.gypi sets and this project sets otherwise.
    'unwanted_flags': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-std=c++17'],
  },
  'target_defaults': {
    'include_dirs': ['native'],
    'defines': ['NDEBUG'],
    'cflags': ['-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wno-psabi', '-Wno-ignored-attributes'],
    'cflags!': ['-fno-exceptions'],
    'cflags_cc': ['-std=c++20'],
    'cflags_cc!': ['<@(unwanted_flags)'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'CLANG_CXX_LIBRARY': 'libc++',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_ENABLE_CPP_RTTI': 'YES',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
      'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Wno-psabi', '-Wno-ignored-attributes'],
    },
  },
  'targets': [
    {
      'target_name': 'rnm',
      # Beside the addon that is in use: native/install.mjs swaps it in.
      'product_dir': '<(module_root_dir)/build/node-gyp',
      'sources': ['<@(common_sources)'],
      'include_dirs': ['<(include_node_addon_api)'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_CPP_EXCEPTIONS',
        'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'conditions': [
        ['target_arch=="x64"', {
          'dependencies': ['rnm_V4', 'rnm_V3', 'rnm_V2'],
        }, {
          'dependencies': ['rnm_Baseline'],
        }],
        # Node unloads addons when a worker ends; threads of the pool may still be leaving their code.
        ['OS!="mac"', { 'ldflags': ['-Wl,-z,nodelete', '-pthread'] }],
      ],
    },
  ],
  # One static library for each instruction set, from the same sources.
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'rnm_V4',
          'type': 'static_library',
          'sources': ['<@(simd_sources)'],
          'defines': ['RNM_TABLE=kSimdKernelsV4', 'RNM_NAME="avx512"', 'RNM_LANES=16'],
          'cflags': ['<@(kernel_flags)', '-march=x86-64-v4', '-mprefer-vector-width=512'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '-march=x86-64-v4', '-mprefer-vector-width=512'],
          },
        },
        {
          'target_name': 'rnm_V3',
          'type': 'static_library',
          'sources': ['<@(simd_sources)'],
          'defines': ['RNM_TABLE=kSimdKernelsV3', 'RNM_NAME="avx2"', 'RNM_LANES=8'],
          'cflags': ['<@(kernel_flags)', '-march=x86-64-v3'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '-march=x86-64-v3'] },
        },
        {
          'target_name': 'rnm_V2',
          'type': 'static_library',
          'sources': ['<@(simd_sources)'],
          'defines': ['RNM_TABLE=kSimdKernelsV2', 'RNM_NAME="sse4"', 'RNM_LANES=4'],
          'cflags': ['<@(kernel_flags)', '-march=x86-64-v2'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '-march=x86-64-v2'] },
        },
      ],
    }, {
      'targets': [
        {
          'target_name': 'rnm_Baseline',
          'type': 'static_library',
          'sources': ['<@(simd_sources)'],
          'defines': ['RNM_TABLE=kSimdKernelsBaseline', 'RNM_NAME="baseline"', 'RNM_LANES=4'],
          'cflags': ['<@(kernel_flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)'] },
        },
      ],
    }],
  ],
}
